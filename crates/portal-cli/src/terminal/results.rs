//! How reports and failures are printed: for people, and for machines.

use schemars::JsonSchema;
use serde::Serialize;

use crate::report::exit::ExitClass;
use crate::report::failure::{ErrorReport, Failure};
use crate::report::outcome::{CreateReport, RenameReport, Report};
use crate::terminal::printer::Printer;

impl CreateReport {
    /// Prints it, with a hint at `--ensure` if that makes a difference.
    pub(crate) fn print(&self, printer: &Printer) -> ExitClass {
        self.print_text(printer);
        if self.is_preexisting() && self.exit == ExitClass::Exists {
            printer.hint("pass `--ensure` to count an existing portal as success");
        }
        self.print_json(printer)
    }
}

impl RenameReport {
    pub(crate) fn print(&self, printer: &Printer) -> ExitClass {
        self.print_text(printer);
        self.print_json(printer)
    }
}

impl<S: Serialize> Report<S> {
    /// Prints that the user cancelled, which is not an error.
    pub(crate) fn print_cancelled(&self, printer: &Printer) -> ExitClass {
        printer.note("Cancelled. Nothing was sent.");
        self.print_json(printer)
    }

    /// Prints it for machines only.
    pub(crate) fn print_json(&self, printer: &Printer) -> ExitClass {
        printer.json(self);
        self.exit
    }

    /// Prints the state on stdout, or the error on stderr.
    fn print_text(&self, printer: &Printer) {
        match &self.error {
            Some(error) => printer.error(error),
            None => printer.text(&self.text),
        }
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
        printer.json(&Failed { error: &self.report });
    }
}

/// Printed by every command that ends without a result.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Failed<'a> {
    error: &'a ErrorReport,
}
