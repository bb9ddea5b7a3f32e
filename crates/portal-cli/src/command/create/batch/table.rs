//! What became of each row, by outcome; what failed comes last, with its next step.

use std::fmt::Write as _;

use crate::batch::result::RowResult;
use crate::wrap::wrap;

/// The sections in their order: the outcome, and what it is called.
const SECTIONS: [(&str, &str); 7] = [
    ("created", "Created"),
    ("present", "There already"),
    ("org_has_portal", "Not created, the org has another portal"),
    ("name_taken", "Not created, the name is taken"),
    ("rejected", "Not created, refused"),
    ("not_created", "Not created, safe to try again"),
    ("unknown", "In doubt"),
];

/// The table, without a line break at its end.
pub(super) fn of(results: &[RowResult], ensure: bool) -> String {
    let width = results.iter().map(|result| profile(result).len()).max().unwrap_or_default();
    let mut table = String::new();
    for (outcome, title) in SECTIONS {
        let rows: Vec<_> = results.iter().filter(|result| section_of(result) == outcome).collect();
        if !rows.is_empty() {
            let _ = writeln!(table, "{title}: {}", rows.len());
            section(&rows, width, &mut table);
        }
    }
    if !ensure && results.iter().any(|result| result.report.is_preexisting()) {
        table.push_str("With --ensure, a portal that was there already is a success.\n");
    }
    table.trim_end().to_owned()
}

/// What appeared after a doubt was created by this batch.
fn section_of(result: &RowResult) -> &str {
    match result.report.outcome.as_ref() {
        "present" if !result.report.is_preexisting() => "created",
        outcome => outcome,
    }
}

/// Rows that failed for the same reason stand together, and the reason stands once.
fn section(rows: &[&RowResult], width: usize, table: &mut String) {
    let mut left: Vec<&RowResult> = rows.to_vec();
    while let Some(first) = left.first() {
        let (reason, next_step) = reason(first);
        for row in left.extract_if(.., |row| self::reason(row) == (reason.clone(), next_step)) {
            let _ = writeln!(table, "  {:width$}  {}", profile(row), name(row));
        }
        if !reason.is_empty() {
            let _ = writeln!(table, "{}", wrap(&reason, 4));
        }
        if let Some(next_step) = next_step {
            let _ = writeln!(table, "{}", wrap(&format!("→ {next_step}"), 4));
        }
    }
}

fn profile(result: &RowResult) -> &str {
    result.report.profile.as_deref().unwrap_or_default()
}

fn name(result: &RowResult) -> String {
    let report = &result.report;
    let mut notes = Vec::new();
    if let Some(requested) = report.requested.as_ref().filter(|name| **name != report.name) {
        notes.push(format!("{requested} is taken"));
    }
    if report.outcome == "present" && !report.is_preexisting() {
        notes.push("its answer was lost".to_owned());
    }
    match notes.as_slice() {
        [] => report.name.clone(),
        notes => format!("{} ({})", report.name, notes.join("; ")),
    }
}

/// Why there is no portal, without the name, and what to do about it.
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
    fn what_failed_for_one_reason_stands_together_after_what_succeeded() {
        let refused = |profile: &str, name: &str| {
            let message = format!("{name} was not created: the service could not be reached");
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
            "requested": "BetaPortal",
        });
        let appeared = json!({
            "name": "DeltaPortal", "profile": "delta", "outcome": "present", "origin": "appeared",
        });
        let rows = [
            refused("acme", "AcmePortal"),
            result(0, created),
            refused("gamma", "GammaPortal"),
            result(0, appeared),
        ];
        assert_eq!(
            of(&rows, false),
            "Created: 2\n  \
               be     BetaPortal25 (BetaPortal is taken)\n  \
               delta  DeltaPortal (its answer was lost)\n\
             Not created, safe to try again: 2\n  \
               acme   AcmePortal\n  \
               gamma  GammaPortal\n    \
                 the service could not be reached\n    \
                 → run the same command again"
        );
    }

    #[test]
    fn a_portal_that_was_there_is_only_worth_a_word_without_ensure() {
        let row = result(
            4,
            json!({
                "name": "AcmePortal", "profile": "acme", "outcome": "present",
                "origin": "preexisting",
            }),
        );
        assert!(of(std::slice::from_ref(&row), false).contains("--ensure"));
        assert_eq!(of(&[row], true), "There already: 1\n  acme  AcmePortal");
    }
}
