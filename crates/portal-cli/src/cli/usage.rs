//! A command line that is not understood, or that asks for help.

use std::ffi::OsString;

use clap::error::ErrorKind;

use crate::report::exit::ExitClass;
use crate::report::failure::{ErrorReport, Failure};
use crate::terminal::printer::{Output, Printer};

/// Help goes to stdout; what is wrong to stderr, and for machines to stdout.
pub(crate) fn print(usage: &clap::Error) -> ExitClass {
    let text = usage.to_string();
    if let Some(wrong) = text.strip_prefix("error: ") {
        Printer::new(Output::Text).error(&ErrorReport::new("usage", wrong.trim_end()));
    } else {
        // Whoever closed the pipe does not want to know.
        let _ = usage.print();
    }
    if !usage.use_stderr() {
        return ExitClass::Success;
    }
    if asks_for_json(std::env::args_os()) {
        Failure::usage(message(usage)).print_json(&Printer::new(Output::Json));
    }
    ExitClass::Invalid
}

/// What is wrong in one line, without the help around it.
fn message(usage: &clap::Error) -> String {
    if usage.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a command is missing".to_owned();
    }
    let text = usage.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    first.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The wish counts although the rest of the command line is not understood.
fn asks_for_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let arguments: Vec<_> = arguments.collect();
    arguments.iter().any(|argument| argument == "--output=json")
        || arguments.windows(2).any(|pair| pair == ["--output", "json"])
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn message_of(arguments: &[&str]) -> String {
        let arguments = [&["portal"], arguments].concat();
        message(&Cli::try_parse_from(arguments).unwrap_err())
    }

    #[test]
    fn machines_get_what_is_wrong_in_one_line() {
        let missing = "the following required arguments were not provided: <NAME>";
        assert_eq!(message_of(&["create"]), missing);
        assert_eq!(message_of(&["list", "--bogus"]), "unexpected argument '--bogus' found");
        assert_eq!(message_of(&[]), "a command is missing");
        let time =
            "invalid value '5x' for '--list-lag <TIME>': expected a time such as 300ms, 10s or 2m";
        assert_eq!(message_of(&["create", "AcmePortal", "--list-lag", "5x"]), time);
    }

    #[test]
    fn json_is_asked_for_in_either_spelling() {
        let asks = |text: &str| asks_for_json(text.split(' ').map(OsString::from));
        assert!(asks("portal --output json bogus") && asks("portal bogus --output=json"));
        assert!(!asks("portal --output text json") && !asks("portal json"));
    }
}
