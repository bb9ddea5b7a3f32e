//! How reports and failures are printed: for people, and for machines.

use portal_model::outcome::RenameOutcomeKind;
use serde::Serialize;

use crate::report::exit::ExitClass;
use crate::report::failure::{ErrorReport, Failure};
use crate::report::outcome::{Never, Report};
use crate::terminal::printer::Printer;

impl Report {
    /// Prints it, with a hint at `--ensure` if that makes a difference.
    pub(crate) fn print(&self, printer: &Printer) -> ExitClass {
        self.print_text(printer);
        if self.is_preexisting() && self.exit() == ExitClass::Exists {
            printer.hint("pass `--ensure` to count an existing portal as success");
        }
        printer.json(self);
        self.exit()
    }
}

impl Report<Never> {
    /// Prints it for machines: people were shown each broken rule when the name was read.
    pub(crate) fn print(&self, printer: &Printer) -> ExitClass {
        printer.json(self);
        self.exit()
    }
}

impl Report<RenameOutcomeKind> {
    pub(crate) fn print(&self, printer: &Printer) -> ExitClass {
        self.print_text(printer);
        printer.json(self);
        self.exit()
    }
}

impl<K: Serialize> Report<K> {
    /// Prints that the user cancelled, which is not an error.
    pub(crate) fn print_cancelled(&self, printer: &Printer) -> ExitClass {
        printer.note("Cancelled. Nothing was sent.");
        printer.json(self);
        self.exit()
    }
}

impl<K> Report<K> {
    /// Prints what is so on stdout, and what went wrong on stderr.
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

/// The JSON object of a command without a result.
#[derive(Serialize)]
struct Failed<'a> {
    error: &'a ErrorReport,
}
