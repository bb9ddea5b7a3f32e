//! `portal check NAME…`: the name rules, which need no server.

use std::collections::HashMap;

use serde::Serialize;

use crate::report::failure::{ErrorKind, ErrorReport, ExitClass, Failure};
use crate::report::invalid_name;
use crate::terminal::printer::Printer;
use crate::terminal::results::parse_name;

/// Check names against the rules; nothing is sent
///
/// A name is 6 to 30 of the letters A-Z, a-z and the digits 0-9. Whether it is free only a create
/// tells: names are unique over all of Zoho. `portal batch FILE --dry-run` checks a whole file.
///
/// # Examples
///
///     portal check PortalsAPItest100 AcmeCustomers
///
/// # See also
/// batch
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The names
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

/// Whether a name keeps to the rules. Whether it is free only a create tells.
#[derive(Serialize)]
struct Checked<'a> {
    name: &'a str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorReport>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> ExitClass {
    let mut seen = HashMap::new();
    let mut exit = ExitClass::Success;
    for name in &args.names {
        let error = match parse_name(name, printer) {
            Err(invalid) => Some(*invalid_name::failure(&invalid).report),
            Ok(_) => seen.insert(name.to_ascii_lowercase(), name).map(|first| {
                let failure = Failure::new(ErrorKind::DuplicateName, duplicate(name, first));
                printer.error(&failure.report);
                *failure.report
            }),
        };
        let outcome = if error.is_none() {
            printer.text(format_args!("{name} is possible"));
            "valid"
        } else {
            exit = ExitClass::Invalid;
            "invalid"
        };
        printer.json(&Checked { name, outcome, error });
    }
    exit
}

fn duplicate(name: &str, first: &str) -> String {
    if name == first {
        format!("{name} is given twice")
    } else {
        format!("{name} is the same name as {first}; the case of letters doesn't count")
    }
}
