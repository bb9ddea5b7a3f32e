//! How reports and failures are printed: for people, and for machines.

use std::collections::BTreeMap;

use portal_model::{InvalidPortalName, PortalName};

use crate::report::failure::{ErrorKind, ErrorReport, ExitClass, Failure};
use crate::report::invalid_name;
use crate::report::outcome::Report;
use crate::terminal::printer::Printer;

impl Report {
    /// Prints the state on stdout, or the error on stderr, with a hint at `--ensure` if that makes a
    /// difference.
    pub(crate) fn print(&self, printer: &Printer) -> ExitClass {
        match &self.error {
            Some(error) if error.kind == ErrorKind::Cancelled => {
                // Not an error.
                printer.note("Cancelled. Nothing was sent.");
            }
            Some(error) => printer.error(error),
            None => printer.text(&self.text),
        }
        if self.outcome == "present" && self.exit == ExitClass::Exists {
            printer.hint("pass `--ensure` to count an existing portal as success");
        }
        self.print_json(printer)
    }

    /// Prints it for machines only.
    pub(crate) fn print_json(&self, printer: &Printer) -> ExitClass {
        printer.json(self);
        self.exit
    }
}

impl Failure {
    /// Prints it on stderr, and for machines on stdout.
    pub(crate) fn print(&self, printer: &Printer) -> ExitClass {
        printer.error(&self.report);
        self.print_json(printer);
        self.exit
    }

    /// Prints it for machines only.
    pub(crate) fn print_json(&self, printer: &Printer) {
        printer.json(&BTreeMap::from([("error", &self.report)]));
    }
}

/// Parses `name`; where it is invalid, every broken rule goes to stderr.
pub(crate) fn parse_name(name: &str, printer: &Printer) -> Result<PortalName, InvalidPortalName> {
    PortalName::parse(name).inspect_err(|invalid| {
        printer.error(&ErrorReport {
            message: invalid_name::show(name, invalid),
            ..*invalid_name::failure(invalid).report
        });
    })
}
