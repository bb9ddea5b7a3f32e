//! A command line that asks for help, or that is invalid.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::report::failure::{ExitClass, Failure};
use crate::report::similar::similar;
use crate::terminal::printer::{Output, Printer};

/// Prints help to stdout, and an error to stderr and, for machines, to stdout.
pub(crate) fn print(usage: &clap::Error) -> ExitClass {
    let help = usage.to_string();
    if !usage.use_stderr() {
        let printer = Printer::new(Output::Text, false);
        printer.text(help.trim_end());
        return printer.finish(ExitClass::Success);
    }
    let printer = printer();
    if usage.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        printer.stderr(help.trim_end());
        Failure::usage("a command is missing").print_json(&printer);
        return ExitClass::Invalid;
    }
    let exit = failure(usage).print(&printer);
    if let Some(usage) = context(usage, ContextKind::Usage) {
        printer.note(format_args!("\n{}", usage.trim()));
    }
    exit
}

fn failure(usage: &clap::Error) -> Failure {
    let mut failure = Failure::usage(message(usage));
    failure.report.hint = hint(usage);
    failure
}

/// The error in one line, without the help around it.
fn message(usage: &clap::Error) -> String {
    if let Some(command) = context(usage, ContextKind::InvalidSubcommand) {
        return format!("unknown command `{command}`");
    }
    let text = usage.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    first.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What to do about it, if that can be told.
fn hint(usage: &clap::Error) -> Option<String> {
    let did_you_mean = |word: String| format!("did you mean `{word}`?");
    if let Some(command) = context(usage, ContextKind::InvalidSubcommand) {
        let other = other_word(&command).map(str::to_owned);
        let hint =
            other.or_else(|| suggestion(usage, ContextKind::SuggestedSubcommand).map(did_you_mean));
        return hint.or_else(|| Some("run `portal --help` to list the commands".to_owned()));
    }
    let argument = context(usage, ContextKind::InvalidArg)?;
    if usage.kind() == ErrorKind::UnknownArgument && names_secret(&argument) {
        return Some(
            "secrets are never flags: set PORTAL_CLIENT_SECRET, PORTAL_REFRESH_TOKEN or \
             PORTAL_ACCESS_TOKEN, or run `portal login`"
                .to_owned(),
        );
    }
    let flag = suggestion(usage, ContextKind::SuggestedArg);
    // Clap also suggests what is hardly alike.
    let flag = flag.filter(|flag| similar(&argument, [flag.as_str()]).is_some());
    flag.or_else(|| suggestion(usage, ContextKind::SuggestedValue)).map(did_you_mean)
}

/// What people try who know other tools.
fn other_word(command: &str) -> Option<&'static str> {
    Some(match command {
        "delete" | "remove" | "rm" | "destroy" => {
            "a portal can't be deleted; `portal rename` changes its name"
        }
        "new" | "add" => "did you mean `create`?",
        "ls" | "show" => "did you mean `list`?",
        "import" => "did you mean `batch`?",
        "status" | "pending" | "resume" => "did you mean `history --open`?",
        "version" => "did you mean `--version`?",
        "auth" => "did you mean `login`?",
        _ => return None,
    })
}

fn names_secret(argument: &str) -> bool {
    ["secret", "token", "password"].iter().any(|word| argument.contains(word))
}

fn context(usage: &clap::Error, kind: ContextKind) -> Option<String> {
    usage.get(kind).map(ToString::to_string)
}

/// The best one is last.
fn suggestion(usage: &clap::Error, kind: ContextKind) -> Option<String> {
    match usage.get(kind)? {
        ContextValue::Strings(suggestions) => suggestions.last().cloned(),
        suggestion => Some(suggestion.to_string()),
    }
}

/// Prints as was asked for, even if the rest of the command line is invalid.
fn printer() -> Printer {
    let is_json = asks_for_json(std::env::args_os());
    Printer::new(if is_json { Output::Json } else { Output::Text }, false)
}

/// Whether machines read the result.
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

    fn failure_of(arguments: &[&str]) -> (String, Option<String>) {
        let arguments = [&["portal"], arguments].concat();
        let report = failure(&Cli::try_parse_from(arguments).unwrap_err()).report;
        (report.message, report.hint)
    }

    #[test]
    fn error_is_one_line() {
        let message = |arguments: &[&str]| failure_of(arguments).0;
        let missing = "the following required arguments were not provided: <NAME>";
        assert_eq!(message(&["create"]), missing);
        assert_eq!(message(&["list", "--bogus"]), "unexpected argument '--bogus' found");
        let time =
            "invalid value '5x' for '--list-lag <TIME>': expected a time such as 300ms, 10s or 2m";
        assert_eq!(message(&["create", "AcmePortal", "--list-lag", "5x"]), time);
    }

    #[test]
    fn hint_names_best_guess_only() {
        for (arguments, message, hint) in [
            (&["creat"][..], "unknown command `creat`", "did you mean `create`?"),
            (&["delete"], "unknown command `delete`", "a portal can't be deleted; `portal rename`"),
            (&["new"], "unknown command `new`", "did you mean `create`?"),
            (&["status"], "unknown command `status`", "did you mean `history --open`?"),
            (&["version"], "unknown command `version`", "did you mean `--version`?"),
            (&["list", "--profil", "a"], "unexpected argument '--profil'", "mean `--profile`?"),
            (&["login", "--client-secret", "x"], "unexpected argument", "secrets are never flags"),
        ] {
            let found = failure_of(arguments);
            let found_hint = found.1.unwrap_or_default();
            assert!(found.0.starts_with(message) && found_hint.contains(hint), "{arguments:?}");
        }
        let hint = failure_of(&["frobnicate"]).1.unwrap();
        assert_eq!(hint, "run `portal --help` to list the commands");
    }

    #[test]
    fn json_is_recognized_in_either_spelling() {
        let asks = |text: &str| asks_for_json(text.split(' ').map(OsString::from));
        assert!(asks("portal --output json bogus") && asks("portal bogus --output=json"));
        assert!(!asks("portal --output text json") && !asks("portal json"));
    }
}
