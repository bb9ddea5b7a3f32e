//! A name as it was given, with what is wrong with it.

use portal_model::{InvalidPortalName, PortalName};

use crate::report::failure::ErrorReport;
use crate::report::invalid_name;
use crate::terminal::printer::Printer;

/// Parses `name`; where it is invalid, every broken rule goes to stderr.
pub(crate) fn parse(name: &str, printer: &Printer) -> Result<PortalName, InvalidPortalName> {
    PortalName::parse(name).inspect_err(|invalid| {
        printer.error(&ErrorReport {
            message: invalid_name::show(name, invalid),
            ..*invalid_name::failure(invalid).report
        });
    })
}
