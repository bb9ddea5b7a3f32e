//! The results of all rows, by outcome; what failed comes last, with its next step.

use std::fmt::Write as _;

use portal_model::PortalName;
use portal_model::outcome::{Origin, OutcomeKind};

use crate::batch::result::RowResult;
use crate::report::wrap::wrap;

/// A part of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// In the order of the table.
    const ALL: [Self; 8] = [
        Self::Created,
        Self::ExistsNow,
        Self::Existing,
        Self::OrgHasPortal,
        Self::NameTaken,
        Self::Rejected,
        Self::NotCreated,
        Self::InDoubt,
    ];

    const fn title(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::ExistsNow => {
                "Exists now, response lost (created by this batch, or by somebody else at the same \
                 moment)"
            }
            Self::Existing => "Already existing",
            Self::OrgHasPortal => "Not created, the org has another portal",
            Self::NameTaken => "Not created, the name is taken",
            Self::Rejected => "Not created, rejected",
            Self::NotCreated => "Not created, safe to try again",
            Self::InDoubt => "In doubt",
        }
    }

    fn of(result: &RowResult) -> Self {
        match result.report.outcome {
            OutcomeKind::Created => Self::Created,
            OutcomeKind::Present => match result.report.origin() {
                Some(Origin::Appeared) => Self::ExistsNow,
                Some(Origin::Preexisting | Origin::Undetermined) | None => Self::Existing,
            },
            OutcomeKind::OrgHasPortal => Self::OrgHasPortal,
            OutcomeKind::NameTaken => Self::NameTaken,
            OutcomeKind::Rejected => Self::Rejected,
            OutcomeKind::NotCreated => Self::NotCreated,
            // What this version does not know proves nothing.
            OutcomeKind::Unknown | _ => Self::InDoubt,
        }
    }
}

/// The table, without a line break at its end.
pub(super) fn of(results: &[RowResult], ensure: bool, columns: usize) -> String {
    let width = results.iter().map(|result| profile(result).len()).max().unwrap_or_default();
    let mut table = String::new();
    for part in Section::ALL {
        let rows: Vec<_> = results.iter().filter(|result| Section::of(result) == part).collect();
        if !rows.is_empty() {
            let _ = writeln!(table, "{}: {}", part.title(), rows.len());
            section(&rows, width, columns, &mut table);
        }
    }
    if !ensure && results.iter().any(|result| result.report.is_preexisting()) {
        table.push_str("Pass --ensure to count an existing portal as success.\n");
    }
    table.trim_end().to_owned()
}

/// Rows that failed for the same reason are together, with the reason once.
fn section(rows: &[&RowResult], width: usize, columns: usize, table: &mut String) {
    let mut left: Vec<&RowResult> = rows.to_vec();
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

fn name(result: &RowResult) -> String {
    let report = &result.report;
    let taken: Vec<&str> = report.taken.iter().map(PortalName::as_str).collect();
    let origin = match report.origin() {
        Some(Origin::Undetermined) => "whether this batch created it is not known",
        Some(Origin::Preexisting | Origin::Appeared) | None => "",
    };
    let taken = match taken.as_slice() {
        [] => String::new(),
        [one] => format!("{one} is taken"),
        several => format!("{} are taken", several.join(", ")),
    };
    match (origin, taken.as_str()) {
        ("", "") => report.name.clone(),
        ("", note) | (note, "") => format!("{} ({note})", report.name),
        (origin, taken) => format!("{} ({origin}; {taken})", report.name),
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
            of(&rows, false, 80),
            "Created: 1\n  \
               be     BetaPortal25 (BetaPortal is taken)\n\
             Exists now, response lost (created by this batch, or by somebody else at the same \
             moment): 1\n  \
               delta  DeltaPortal\n\
             Not created, safe to try again: 2\n  \
               acme   AcmePortal\n  \
               gamma  GammaPortal\n    \
                 the service was not reached\n    \
                 → run the same command again"
        );
    }

    #[test]
    fn fallback_that_already_exists_says_nothing_of_the_first_name() {
        let row = json!({
            "name": "SecondName", "profile": "acme", "outcome": "present",
            "origin": "preexisting", "requested": "FirstName",
        });
        assert_eq!(of(&[result(4, row)], true, 80), "Already existing: 1\n  acme  SecondName");
    }

    #[test]
    fn hint_at_ensure_depends_on_existing_portals() {
        let row = |origin| {
            let row = json!({
                "name": "AcmePortal", "profile": "acme", "outcome": "present", "origin": origin,
            });
            result(4, row)
        };
        assert!(of(&[row("preexisting")], false, 80).contains("--ensure"));
        assert_eq!(of(&[row("preexisting")], true, 80), "Already existing: 1\n  acme  AcmePortal");
        assert_eq!(
            of(&[row("undetermined")], true, 80),
            "Already existing: 1\n  acme  AcmePortal (whether this batch created it is not known)"
        );
    }
}
