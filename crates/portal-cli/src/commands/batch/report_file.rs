//! The file of `--report`: the rows of a batch with a result for each.

use portal_model::PortalName;

use crate::batch::csv::RESULT;
use crate::batch::rows::Row;
use crate::report::outcome::Report;
use crate::sys::files::OutputFile;

/// Writes the file.
pub(super) fn write(file: OutputFile, reports: &[Report], rows: &[Row]) -> anyhow::Result<()> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["profile", "name", "fallback"].into_iter().chain(RESULT))?;
    for (report, row) in reports.iter().zip(rows) {
        let fallbacks: Vec<&str> = row.create.fallbacks.iter().map(PortalName::as_str).collect();
        let error = report.error.as_ref();
        csv.write_record([
            row.profile.as_str(),
            row.create.name.as_str(),
            &fallbacks.join("|"),
            report.outcome,
            if report.exists() { &report.name } else { "" },
            error.map_or("", |error| &error.message),
            error.and_then(|error| error.hint.as_deref()).unwrap_or_default(),
        ])?;
    }
    file.write(&csv.into_inner().map_err(csv::IntoInnerError::into_error)?)
}
