//! The file of `--report`: the rows of a batch with a result for each.

use std::collections::HashSet;

use portal_model::PortalName;

use crate::batch::plan::Row;
use crate::batch::result::RowResult;
use crate::report::failure::ErrorKind;
use crate::sys::files::OutputFile;

/// Writes the file.
pub(super) fn write(
    file: OutputFile,
    rows: &[Row],
    results: &[RowResult],
    begun: &HashSet<usize>,
) -> anyhow::Result<()> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["profile", "name", "fallback", "outcome", "portal", "message", "hint"])?;
    for (index, (row, result)) in rows.iter().zip(results).enumerate() {
        let fallbacks: Vec<&str> = row.fallbacks.iter().map(PortalName::as_str).collect();
        let report = &result.report;
        let is_stopped =
            report.error.as_ref().is_some_and(|error| error.kind == ErrorKind::Stopped);
        let (outcome, error) = match &report.error {
            Some(_) if is_stopped && !begun.contains(&index) => ("not_started", None),
            error => (report.outcome.as_str(), error.as_ref()),
        };
        csv.write_record([
            row.profile.as_str(),
            row.name.as_str(),
            &fallbacks.join("|"),
            outcome,
            if error.is_none() && outcome != "not_started" { &report.name } else { "" },
            error.map_or("", |error| &error.message),
            error.and_then(|error| error.hint.as_deref()).unwrap_or_default(),
        ])?;
    }
    let bytes = csv.into_inner().map_err(csv::IntoInnerError::into_error)?;
    file.write(&bytes)
}
