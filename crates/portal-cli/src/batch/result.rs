//! [`RowResult`]: how a row of a batch ended.

use std::time::Duration;

use portal_model::Outcome;
use serde::{Deserialize, Serialize};

use super::plan::Row;
use crate::report::context::ReportContext;
use crate::report::exit::ExitClass;
use crate::report::failure::{ErrorKind, Failure};
use crate::report::outcome::{CreateStatus, Report};

/// How a row ended, as stored in a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RowResult {
    /// The exit status of a create of only this row, without `--ensure`.
    exit: ExitClass,
    #[serde(flatten)]
    pub(crate) report: Report,
}

/// What a result means for the next run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    /// The portal exists.
    Done,
    /// A retry would be rejected again unless something else changes.
    Rejected,
    /// Nothing was done, for certain.
    NotCreated,
    /// May or may not exist.
    InDoubt,
}

impl RowResult {
    pub(crate) fn new(outcome: &Outcome, row: &Row, verified_after: Option<Duration>) -> Self {
        let context = ReportContext { verified_after, ..context(row) };
        Self::of(Report::new(outcome, &context))
    }

    /// The result of a row that was not started, and why. A row in doubt stays in doubt.
    pub(crate) fn withheld(failure: Failure, row: &Row, is_in_doubt: bool) -> Self {
        let failure = if is_in_doubt { still_in_doubt(failure, row) } else { failure };
        Self::of(Report::withheld(row.name.as_str(), failure, &context(row)))
    }

    fn of(mut report: Report) -> Self {
        let verdict = verdict(report.outcome);
        if let Some(error) = &mut report.error {
            error.hint = next_step(error.kind, verdict, error.hint.take());
        }
        Self { exit: report.exit, report }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        verdict(self.report.outcome)
    }

    /// Returns the exit status of the row; with `ensure`, an existing portal is a success.
    pub(crate) fn exit(&self, ensure: bool) -> ExitClass {
        if ensure && self.report.outcome == CreateStatus::Present {
            return ExitClass::Success;
        }
        self.exit
    }
}

fn context(row: &Row) -> ReportContext {
    ReportContext {
        profile: Some(row.profile.clone()),
        org: format!(" --profile {}", row.profile),
        requested: (!row.fallbacks.is_empty()).then(|| row.name.to_string()),
        ..ReportContext::default()
    }
}

fn still_in_doubt(failure: Failure, row: &Row) -> Failure {
    let not_created = format!("{} was not created, nothing was sent: ", row.name);
    let unknown =
        format!("it is not known whether {} was created, nothing was sent now: ", row.name);
    let message = &failure.report.message;
    let why = message.strip_prefix(&not_created).or_else(|| message.strip_prefix(&unknown));
    let why = why.unwrap_or(message);
    let message = format!("it is not known whether {} was created: {why}", row.name);
    failure.message(message).exit(ExitClass::Unknown)
}

fn verdict(outcome: CreateStatus) -> Verdict {
    match outcome {
        CreateStatus::Created | CreateStatus::Present => Verdict::Done,
        CreateStatus::NotCreated => Verdict::NotCreated,
        CreateStatus::OrgHasPortal
        | CreateStatus::NameTaken
        | CreateStatus::Rejected
        | CreateStatus::Invalid => Verdict::Rejected,
        CreateStatus::Unknown => Verdict::InDoubt,
    }
}

/// Suggests how to proceed with a failed row, which can differ from a single create.
fn next_step(kind: ErrorKind, verdict: Verdict, alone: Option<String>) -> Option<String> {
    const AGAIN: &str = "run the same command again";
    let alone = alone.unwrap_or_default();
    let step = match (verdict, kind) {
        (Verdict::Done, _) => return None,
        // Only the user can resolve problems with credentials, other processes or files.
        (
            Verdict::InDoubt | Verdict::NotCreated,
            ErrorKind::InProgress
            | ErrorKind::AnotherOrg
            | ErrorKind::OrgInDoubt
            | ErrorKind::UnreadableIntent
            | ErrorKind::RateLimited,
        ) => alone,
        (Verdict::InDoubt, _) => format!("{AGAIN} to determine the outcome"),
        (Verdict::NotCreated, ErrorKind::Auth) => after(&alone, AGAIN),
        (Verdict::NotCreated, _) => AGAIN.to_owned(),
        (Verdict::Rejected, ErrorKind::NameTaken) => {
            "put the row into a new file, with another name".to_owned()
        }
        (Verdict::Rejected, ErrorKind::OrgHasPortal) => format!(
            "use that portal, or {AGAIN} with `--retry --allow-another` if the org may have several"
        ),
        (Verdict::Rejected, _) => after(&alone, &format!("{AGAIN} with `--retry`")),
    };
    Some(step)
}

/// Joins two suggestions in order.
fn after(first: &str, then: &str) -> String {
    match first {
        "" => then.to_owned(),
        _ if first.ends_with('.') => format!("{first} Then {then}."),
        _ => format!("{first}; then {then}"),
    }
}
