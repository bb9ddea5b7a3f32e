//! `portal explain [CODE]`: what an error code of the service means, and what to do.

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use portal_model::ErrorCode;
use portal_model::explain::{Explanation, Retry, explain, explain_oauth};
use portal_model::oauth::OAuthError;
use serde::Serialize;

use crate::report::failure::{ExitClass, Failure};
use crate::report::permission;
use crate::report::similar::{letters, similar};
use crate::report::wrap::{fit, wrap};
use crate::terminal::printer::Printer;
use crate::terminal::width;

/// Explain an error code of the service, and what to do
///
/// # Examples
///
///     portal explain ALREADY_USED
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The code; without it, all known ones are listed
    #[arg(add = ArgValueCandidates::new(candidates))]
    code: Option<String>,
}

/// What an error code of the service means, and what to do.
#[derive(Serialize)]
struct Explained {
    code: &'static str,
    #[serde(flatten)]
    explanation: Explanation,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    match &args.code {
        Some(text) => one(&find(text)?, printer),
        None => known().for_each(|explained| {
            let meaning = wrap(explained.explanation.meaning, 4, width::of_stdout());
            printer.result(format_args!("{}\n{meaning}", explained.code), &explained);
        }),
    }
    Ok(ExitClass::Success)
}

/// What shells complete: a name with a space would have to be quoted.
fn candidates() -> Vec<CompletionCandidate> {
    let codes = known().map(|explained| explained.code);
    codes.filter(|code| !code.contains(' ')).map(CompletionCandidate::new).collect()
}

/// The codes of the API, and the errors of the accounts server.
fn known() -> impl Iterator<Item = Explained> {
    let codes = ErrorCode::KNOWN.iter().map(|code| (code.as_str(), explain(code)));
    let errors = OAuthError::KNOWN.iter().map(|code| (*code, explain_oauth(code)));
    codes.chain(errors).map(|(code, explanation)| Explained { code, explanation })
}

fn one(explained: &Explained, printer: &Printer) {
    let Explained { code, explanation: Explanation { meaning, remedy, retry, .. } } = explained;
    let columns = width::of_stdout();
    let mut what_to_do = wrap(&sentence(remedy), 4, columns);
    if *code == ErrorCode::NoPermission.as_str() {
        what_to_do.push_str("\n\n");
        what_to_do.push_str(&fit(&format!("Or {}", permission::note()), columns));
    }
    let again = match retry {
        _ if *code == ErrorCode::NotModified.as_str() => "The same call is not needed.",
        Retry::Useless => "The same call fails again until that is done.",
        Retry::WithNewToken => "The same call can succeed with a new access token.",
        Retry::AfterWaiting => "The same call can succeed after waiting.",
        // `AfterVerifying`: the one that is right whatever happened.
        _ => {
            "Don't repeat the call before lists prove whether it was done; `portal create` and \
             `portal rename` verify that themselves."
        }
    };
    printer.result(
        format_args!(
            "{code}\n{}\n\nWhat to do\n{what_to_do}\n\nRetry\n{}",
            wrap(meaning, 4, columns),
            wrap(again, 4, columns)
        ),
        explained,
    );
}

/// A hint as a sentence of its own.
fn sentence(hint: &str) -> String {
    let mut letters = hint.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

/// Finds a code however it is typed: `already-used` is `ALREADY_USED`.
fn find(text: &str) -> Result<Explained, Failure> {
    let wanted = letters(text);
    known().find(|known| letters(known.code) == wanted).ok_or_else(|| {
        let failure = Failure::usage(format!("unknown code {text:?}"));
        match similar(text, known().map(|known| known.code)) {
            Some(code) => failure.hint(format!("did you mean {code}?")),
            None => failure.hint("run `portal explain` to list the known ones"),
        }
    })
}
