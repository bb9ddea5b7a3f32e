//! The file of `--report`: the rows of a batch with a result for each.

use portal_model::PortalName;

use super::results::Results;
use crate::sys::files::OutputFile;

/// Writes the file. Rows without an outcome have what is known of them.
pub(super) fn write(file: OutputFile, results: &Results<'_>) -> anyhow::Result<()> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["profile", "name", "fallback", "outcome", "portal", "message", "hint"])?;
    for result in results.rows() {
        let row = result.row;
        let fallbacks: Vec<&str> = row.fallbacks.iter().map(PortalName::as_str).collect();
        let report = result.report.as_ref();
        let error = report.and_then(|report| report.error.as_ref());
        let message = match (report, error) {
            (None, _) => result.planned.text(),
            (_, Some(error)) => error.message.clone(),
            (_, None) => String::new(),
        };
        csv.write_record([
            row.profile.as_str(),
            row.name.as_str(),
            &fallbacks.join("|"),
            report.map_or("", |report| report.outcome),
            report.filter(|_| error.is_none()).map_or("", |report| &report.name),
            &message,
            error.and_then(|error| error.hint.as_deref()).unwrap_or_default(),
        ])?;
    }
    file.write(&csv.into_inner().map_err(csv::IntoInnerError::into_error)?)
}
