//! How a row of a batch ended: [`RowResult`].

use portal_model::Outcome;
use portal_model::outcome::ExitClass;
use serde::{Deserialize, Serialize};

use super::plan::Row;
use crate::exit;
use crate::report::{Asked, Report};

/// How a row ended, as a journal keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RowResult {
    /// The status of a create of this row alone, without `--ensure`.
    exit: u8,
    #[serde(flatten)]
    pub(crate) report: Report,
}

/// What a result means for the rows that are still to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    /// The portal is there.
    Done,
    /// The same again would be refused, unless something outside changes.
    Refused,
    /// Certainly nothing happened.
    NotCreated,
    /// It may or may not be there.
    InDoubt,
}

impl RowResult {
    pub(crate) fn new(outcome: &Outcome, row: &Row) -> Self {
        let asked = Asked {
            profile: Some(row.profile.clone()),
            requested: (!row.or.is_empty()).then(|| row.name.to_string()),
            ..Asked::default()
        };
        let mut report = Report::new(outcome, &asked);
        let verdict = verdict(&report.outcome);
        if let Some(error) = &mut report.error {
            error.hint = next_step(&error.kind, verdict, error.hint.take());
        }
        Self { exit: outcome.exit_class(false) as u8, report }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        verdict(&self.report.outcome)
    }

    /// The status of this row; with `ensure` a portal that was there before is a success.
    pub(crate) fn exit(&self, ensure: bool) -> ExitClass {
        if ensure && self.report.outcome == "present" {
            return ExitClass::Success;
        }
        exit::from_number(self.exit)
    }
}

fn verdict(outcome: &str) -> Verdict {
    match outcome {
        "created" | "present" => Verdict::Done,
        "not_created" => Verdict::NotCreated,
        "unknown" => Verdict::InDoubt,
        _ => Verdict::Refused,
    }
}

/// What to do about a row that failed; what helps a single create is not always what helps here.
fn next_step(kind: &str, verdict: Verdict, alone: Option<String>) -> Option<String> {
    let alone = alone.unwrap_or_default();
    let step = match (verdict, kind) {
        (Verdict::Done, _) => return None,
        (Verdict::InDoubt, _) => "run the same command again: it looks and settles it".to_owned(),
        (Verdict::NotCreated, "throttled") => alone,
        (Verdict::NotCreated, "auth") => after(&alone, "run the same command again"),
        (Verdict::NotCreated, _) => "run the same command again".to_owned(),
        (Verdict::Refused, "name_taken") => {
            "put the row with another name into a new file, and create from that".to_owned()
        }
        (Verdict::Refused, "org_has_portal") => "use the portal that is there; where the org may \
            have several, run it again with --retry --allow-another"
            .to_owned(),
        (Verdict::Refused, _) => after(&alone, "run it again with --retry"),
    };
    Some(step)
}

/// First the one, then the other.
fn after(first: &str, then: &str) -> String {
    match first {
        "" => then.to_owned(),
        _ if first.ends_with('.') => format!("{first} Then {then}."),
        _ => format!("{first}; then {then}"),
    }
}
