//! `portal explain [CODE]`: what a code of the service means, and what to do.

use portal_model::ErrorCode;
use portal_model::explain::{Retry, explain};
use portal_model::outcome::ExitClass;
use serde::Serialize;

use crate::failure::Failure;
use crate::permission;
use crate::printer::Printer;
use crate::wrap::wrap;

/// Say what a code of the service means and what to do
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  portal explain ALREADY_USED")]
pub(crate) struct Args {
    /// The code; without one, all of them are listed
    code: Option<String>,
}

#[derive(Serialize)]
struct Explained<'a> {
    code: &'a str,
    meaning: &'static str,
    remedy: &'static str,
    retry: &'static str,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    match &args.code {
        Some(text) => one(find(text)?, printer),
        None => all(printer),
    }
    Ok(ExitClass::Success)
}

fn all(printer: &Printer) {
    for code in ErrorCode::KNOWN {
        let explanation = explain(code);
        printer.result(format_args!("{code}\n{}", wrap(explanation.meaning, 4)), &explained(code));
    }
}

fn one(code: &ErrorCode, printer: &Printer) {
    let explained = explained(code);
    let mut what_to_do = wrap(explained.remedy, 4);
    if *code == ErrorCode::NoPermission {
        what_to_do.push_str("\n\nOr ");
        what_to_do.push_str(&permission::note());
    }
    let again = match explain(code).retry {
        Retry::Useless => "The same call will fail again until that is done.",
        Retry::WithNewToken => "The same call can succeed with a new access token.",
        Retry::AfterWaiting => "The same call can succeed after waiting.",
        Retry::AfterLooking => "Don't repeat the call before you looked what became of it.",
    };
    printer.result(
        format_args!(
            "{code}\n{}\n\nWhat to do\n{what_to_do}\n\nAgain?\n{}",
            wrap(explained.meaning, 4),
            wrap(again, 4)
        ),
        &explained,
    );
}

fn explained(code: &ErrorCode) -> Explained<'_> {
    let explanation = explain(code);
    Explained {
        code: code.as_str(),
        meaning: explanation.meaning,
        remedy: explanation.remedy,
        retry: match explanation.retry {
            Retry::Useless => "useless",
            Retry::WithNewToken => "with_new_token",
            Retry::AfterWaiting => "after_waiting",
            Retry::AfterLooking => "after_looking",
        },
    }
}

/// Finds a code however it is typed: `already-used` is `ALREADY_USED`.
fn find(text: &str) -> Result<&'static ErrorCode, Failure> {
    let letters = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let wanted = letters(text);
    let found = ErrorCode::KNOWN.iter().find(|code| letters(code.as_str()) == wanted);
    found.ok_or_else(|| {
        Failure::usage(format!("{text:?} is no code that is known here"))
            .hint("`portal explain` alone lists those that are")
    })
}
