//! The results of all rows, by outcome: what failed comes after what succeeded, with its next step,
//! and a summary comes last.

use std::collections::{BTreeMap, HashSet};
use std::fmt::{Display, Write as _};

use portal_model::PortalName;
use portal_model::outcome::Origin;

use crate::batch::result::{RowResult, Verdict};
use crate::report::outcome::CreateStatus;
use crate::report::wrap::wrap;

/// A part of the table, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Created,
    /// After a lost response: created by this batch, or by somebody else at the same moment.
    ExistsNow,
    Existing,
    OrgHasPortal,
    NameTaken,
    Rejected,
    NotCreated,
    InDoubt,
}

impl Section {
    /// After a number in the summary, and as a title.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Created => ("created", "Created"),
            Self::ExistsNow => (
                "exist now",
                "Exists now, response lost (created by this batch, or by somebody else at the same \
                 moment)",
            ),
            Self::Existing => ("already existing", "Already existing"),
            Self::OrgHasPortal => {
                ("in orgs with another portal", "Not created, the org has another portal")
            }
            Self::NameTaken => ("with a taken name", "Not created, the name is taken"),
            Self::Rejected => ("rejected", "Not created, rejected"),
            Self::NotCreated => ("not created", "Not created, safe to try again"),
            Self::InDoubt => ("in doubt", "In doubt"),
        }
    }

    fn of(result: &RowResult) -> Self {
        match result.report.outcome {
            CreateStatus::Created => Self::Created,
            CreateStatus::Present => match result.report.origin {
                Some(Origin::Appeared) => Self::ExistsNow,
                _ => Self::Existing,
            },
            CreateStatus::OrgHasPortal => Self::OrgHasPortal,
            CreateStatus::NameTaken => Self::NameTaken,
            CreateStatus::Rejected | CreateStatus::Invalid => Self::Rejected,
            CreateStatus::NotCreated => Self::NotCreated,
            CreateStatus::Unknown => Self::InDoubt,
        }
    }
}

/// The table, without a line break at its end. Rows that were not `begun` are only counted; `command`
/// continues the batch.
pub(super) fn of(
    results: &[RowResult],
    begun: &HashSet<usize>,
    command: &impl Display,
    ensure: bool,
    columns: usize,
) -> String {
    let (ended, not_started): (Vec<_>, Vec<_>) = results
        .iter()
        .enumerate()
        .partition(|(row, result)| begun.contains(row) || result.verdict() != Verdict::NotCreated);
    let ended: Vec<&RowResult> = ended.into_iter().map(|(_, result)| result).collect();
    let width = ended.iter().map(|result| profile(result).len()).max().unwrap_or_default();
    let mut table = String::new();
    let mut sections = BTreeMap::<Section, Vec<&RowResult>>::new();
    for result in &ended {
        sections.entry(Section::of(result)).or_default().push(result);
    }
    for (part, rows) in sections {
        let _ = writeln!(table, "{}: {}", part.words().1, rows.len());
        section(rows, width, columns, &mut table);
    }
    if !ensure && results.iter().any(|result| result.report.is_preexisting()) {
        table.push_str("Pass --ensure to count an existing portal as success.\n");
    }
    let _ = write!(table, "\n{}", counts(ended.iter().copied()));
    if !not_started.is_empty() {
        let separator = if ended.is_empty() { "" } else { ", " };
        let _ = write!(table, "{separator}{} not started", not_started.len());
    }
    let is_open =
        |result: &&RowResult| matches!(result.verdict(), Verdict::NotCreated | Verdict::InDoubt);
    if !not_started.is_empty() || ended.iter().any(is_open) {
        let _ = write!(table, "\nContinue with: {command}");
    } else if ended.iter().any(|result| result.verdict() == Verdict::Rejected) {
        let _ = write!(table, "\nTry rejected rows again with: {command} --retry");
    }
    table.trim_start().to_owned()
}

/// `60 created, 2 rejected`
pub(super) fn counts<'a>(results: impl IntoIterator<Item = &'a RowResult>) -> String {
    count(results.into_iter().map(Section::of), |part| part.words().0, ", ")
}

/// How many there are of each kind, in their order.
pub(super) fn count<K: Copy + Ord>(
    kinds: impl Iterator<Item = K>,
    text: fn(K) -> &'static str,
    separator: &str,
) -> String {
    let mut counts = BTreeMap::<K, usize>::new();
    for kind in kinds {
        *counts.entry(kind).or_default() += 1;
    }
    let counts = counts.into_iter().map(|(kind, count)| format!("{count} {}", text(kind)));
    counts.collect::<Vec<_>>().join(separator)
}

/// Rows that failed for the same reason are together, with the reason once.
fn section(mut left: Vec<&RowResult>, width: usize, columns: usize, table: &mut String) {
    while let Some(first) = left.first() {
        let (reason, next_step) = reason(first);
        for row in left.extract_if(.., |row| self::reason(row) == (reason.clone(), next_step)) {
            let _ = writeln!(table, "  {:width$}  {}", profile(row), name(row));
        }
        if !reason.is_empty() {
            let _ = writeln!(table, "{}", wrap(&reason, 4, columns));
        }
        if let Some(next_step) = next_step {
            let _ = writeln!(table, "{}", wrap(&format!("→ {next_step}"), 4, columns));
        }
    }
}

fn profile(result: &RowResult) -> &str {
    result.report.profile.as_deref().unwrap_or_default()
}

/// `BetaPortal25 (BetaPortal is taken)`
fn name(result: &RowResult) -> String {
    let report = &result.report;
    let mut notes = Vec::new();
    if report.origin == Some(Origin::Undetermined) {
        notes.push("whether this batch created it is not known".to_owned());
    }
    let taken: Vec<&str> = report.taken.iter().map(PortalName::as_str).collect();
    match taken.as_slice() {
        [] => {}
        [one] => notes.push(format!("{one} is taken")),
        several => notes.push(format!("{} are taken", several.join(", "))),
    }
    match notes.as_slice() {
        [] => report.name.clone(),
        notes => format!("{} ({})", report.name, notes.join("; ")),
    }
}

/// The error of a row without the portal's name, and what to do about it.
fn reason(result: &RowResult) -> (String, Option<&str>) {
    let report = &result.report;
    let Some(error) = &report.error else { return (String::new(), None) };
    let message = &error.message;
    let reason = [
        format!("{} was not created: ", report.name),
        format!("it is not known whether {} was created: ", report.name),
    ]
    .into_iter()
    .find_map(|start| message.strip_prefix(&start))
    .unwrap_or(message);
    (reason.to_owned(), error.hint.as_deref())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn result(exit: u8, report: Value) -> RowResult {
        let mut row = report;
        row["exit"] = json!(exit);
        serde_json::from_value(row).unwrap()
    }

    /// Of rows that were all begun.
    fn table(rows: &[RowResult], ensure: bool) -> String {
        let begun = (0..rows.len()).collect();
        of(rows, &begun, &"portal batch portals.csv", ensure, 80)
    }

    #[test]
    fn rows_not_begun_are_counted_only() {
        let created = json!({ "name": "AcmePortal", "profile": "acme", "outcome": "created" });
        let stopped = json!({ "name": "BetaPortal", "profile": "be", "outcome": "not_created" });
        let rows = [result(0, created), result(130, stopped.clone()), result(130, stopped)];
        assert_eq!(
            of(&rows, &HashSet::from([0]), &"portal batch portals.csv", false, 80),
            "Created: 1\n  acme  AcmePortal\n\n1 created, 2 not started\n\
             Continue with: portal batch portals.csv"
        );
    }

    #[test]
    fn rows_with_one_reason_are_together_after_successes() {
        let failed = |profile: &str, name: &str| {
            let message = format!("{name} was not created: the service was not reached");
            let error = json!({
                "kind": "unreachable", "message": message, "hint": "run the same command again",
            });
            result(
                6,
                json!({
                    "name": name, "profile": profile, "outcome": "not_created", "error": error,
                }),
            )
        };
        let created = json!({
            "name": "BetaPortal25", "profile": "be", "outcome": "created",
            "requested": "BetaPortal", "taken": ["BetaPortal"],
        });
        let appeared = json!({
            "name": "DeltaPortal", "profile": "delta", "outcome": "present", "origin": "appeared",
        });
        let rows = [
            failed("acme", "AcmePortal"),
            result(0, created),
            failed("gamma", "GammaPortal"),
            result(0, appeared),
        ];
        assert_eq!(
            table(&rows, false),
            "Created: 1\n  \
               be     BetaPortal25 (BetaPortal is taken)\n\
             Exists now, response lost (created by this batch, or by somebody else at the same \
             moment): 1\n  \
               delta  DeltaPortal\n\
             Not created, safe to try again: 2\n  \
               acme   AcmePortal\n  \
               gamma  GammaPortal\n    \
                 the service was not reached\n    \
                 → run the same command again\n\n\
             1 created, 1 exist now, 2 not created\n\
             Continue with: portal batch portals.csv"
        );
    }

    #[test]
    fn existing_fallback_says_nothing_of_first_name() {
        let row = json!({
            "name": "SecondName", "profile": "acme", "outcome": "present",
            "origin": "preexisting", "requested": "FirstName",
        });
        assert_eq!(
            table(&[result(4, row)], true),
            "Already existing: 1\n  acme  SecondName\n\n1 already existing"
        );
    }

    #[test]
    fn hint_at_ensure_depends_on_existing_portals() {
        let row = |origin| {
            let row = json!({
                "name": "AcmePortal", "profile": "acme", "outcome": "present", "origin": origin,
            });
            result(4, row)
        };
        assert!(table(&[row("preexisting")], false).contains("--ensure"));
        assert_eq!(
            table(&[row("preexisting")], true),
            "Already existing: 1\n  acme  AcmePortal\n\n1 already existing"
        );
        assert_eq!(
            table(&[row("undetermined")], true),
            "Already existing: 1\n  acme  AcmePortal (whether this batch created it is not known)\n\n\
             1 already existing"
        );
    }
}
