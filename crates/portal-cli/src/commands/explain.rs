//! `portal explain [CODE]`: what an error code of the service means, and what to do.

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use portal_model::ErrorCode;
use portal_model::explain::{Explanation, Retry, explain, explain_oauth};
use portal_model::oauth::OAuthError;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::sections::{Examples, Sections};
use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::report::permission;
use crate::report::similar::{letters, similar};
use crate::report::wrap::{fit, wrap};
use crate::terminal::printer::Printer;
use crate::terminal::width;

/// Explain an error code of the service, and what to do
#[derive(Debug, clap::Args)]
#[command(add = Sections(&[Examples("portal explain ALREADY_USED")]))]
pub(crate) struct Args {
    /// The code; without it, all known ones are listed
    #[arg(add = ArgValueCandidates::new(candidates))]
    code: Option<String>,
}

/// What an error code of the service means, and what to do.
#[derive(Serialize, JsonSchema)]
pub(super) struct Explained {
    code: &'static str,
    meaning: &'static str,
    remedy: &'static str,
    /// Whether the same call can succeed later. `useless`: not before the remedy. `after_verifying`: not
    /// before a list shows whether it took effect.
    #[schemars(extend("enum" = ["useless", "with_new_token", "after_waiting", "after_verifying"]))]
    retry: &'static str,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    match &args.code {
        Some(text) => one(&find(text)?, printer),
        None => known().for_each(|entry| listed(&entry, printer)),
    }
    Ok(ExitClass::Success)
}

/// What shells complete: a name with a space would have to be quoted.
fn candidates() -> Vec<CompletionCandidate> {
    let codes = known().filter(|entry| !entry.code.contains(' '));
    codes.map(|entry| CompletionCandidate::new(entry.code)).collect()
}

/// A code of the API, or an error of the accounts server.
struct Entry {
    code: &'static str,
    explanation: Explanation,
}

fn known() -> impl Iterator<Item = Entry> {
    let codes = ErrorCode::KNOWN
        .iter()
        .map(|code| Entry { code: code.as_str(), explanation: explain(code) });
    let errors =
        OAuthError::KNOWN.iter().map(|code| Entry { code, explanation: explain_oauth(code) });
    codes.chain(errors)
}

fn listed(entry: &Entry, printer: &Printer) {
    let Entry { code, explanation } = entry;
    let meaning = wrap(explanation.meaning, 4, width::of_stdout());
    printer.result(format_args!("{code}\n{meaning}"), &explained(entry));
}

fn one(entry: &Entry, printer: &Printer) {
    let Entry { code, explanation } = entry;
    let columns = width::of_stdout();
    let mut what_to_do = wrap(&sentence(explanation.remedy), 4, columns);
    if *code == ErrorCode::NoPermission.as_str() {
        what_to_do.push_str("\n\n");
        what_to_do.push_str(&fit(&format!("Or {}", permission::note()), columns));
    }
    let again = match explanation.retry {
        Retry::Useless => "The same call fails again until that is done.",
        Retry::WithNewToken => "The same call can succeed with a new access token.",
        Retry::AfterWaiting => "The same call can succeed after waiting.",
        // `AfterVerifying`: the one that is right whatever happened.
        _ => {
            "Don't repeat the call before a list shows whether it was done; `portal create` and \
             `portal rename` verify that themselves."
        }
    };
    printer.result(
        format_args!(
            "{code}\n{}\n\nWhat to do\n{what_to_do}\n\nRetry\n{}",
            wrap(explanation.meaning, 4, columns),
            wrap(again, 4, columns)
        ),
        &explained(entry),
    );
}

/// A hint as a sentence of its own.
fn sentence(hint: &str) -> String {
    let mut letters = hint.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

fn explained(entry: &Entry) -> Explained {
    let Explanation { meaning, remedy, retry, .. } = entry.explanation;
    Explained { code: entry.code, meaning, remedy, retry: retry.as_str() }
}

/// Finds a code however it is typed: `already-used` is `ALREADY_USED`.
fn find(text: &str) -> Result<Entry, Failure> {
    let wanted = letters(text);
    known().find(|entry| letters(entry.code) == wanted).ok_or_else(|| {
        let failure = Failure::usage(format!("unknown code {text:?}"));
        match similar(text, known().map(|entry| entry.code)) {
            Some(code) => failure.hint(format!("did you mean {code}?")),
            None => failure.hint("run `portal explain` to list the known ones"),
        }
    })
}
