//! Reads the file of a batch, and reports everything that is wrong with it.

use std::path::Path;

use portal_model::ApiVersion;
use serde_json::json;

use super::csv::{self, Problem};
use super::plan::{self, Row};
use crate::org::identity::Identity;
use crate::org::profile::Profiles;
use crate::report::exit::ExitClass;
use crate::report::failure::{ErrorReport, Failure};
use crate::terminal::printer::Printer;

/// The rows of a file in which nothing is wrong.
pub(crate) fn read(
    path: &Path,
    allow_another: bool,
    profiles: &Profiles,
    printer: &Printer,
) -> Result<Vec<Row>, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    let (entries, mut problems) = csv::read(&bytes);
    let checked = plan::check(&entries, allow_another);
    problems.extend(plan::check_profiles(&entries, |name| profiles.entries().contains_key(name)));
    if !allow_another {
        problems.extend(plan::check_orgs(&entries, |name| identity(profiles, name)));
    }
    match checked {
        Ok(rows) if problems.is_empty() => Ok(rows),
        checked => {
            problems.extend(checked.err().unwrap_or_default());
            problems.sort();
            Err(refuse(path, &problems, printer))
        }
    }
}

/// The org of a profile, as far as it is known without asking the service.
fn identity(profiles: &Profiles, name: &str) -> Option<Identity> {
    // Whatever is wrong with its credentials is reported before anything is sent.
    let profile = profiles.get(name).ok()?;
    let target = profile.target(name, ApiVersion::default(), None);
    Some(target.declared_identity().with_org(profile.org))
}

fn refuse(path: &Path, problems: &[Problem], printer: &Printer) -> Failure {
    let shown = path.display();
    for problem in problems {
        printer.note(format_args!("{shown}, {problem}"));
    }
    let count = match problems.len() {
        1 => "1 mistake".to_owned(),
        several => format!("{several} mistakes"),
    };
    let details: Vec<_> = problems
        .iter()
        .map(|problem| json!({ "line": problem.line, "message": problem.message }))
        .collect();
    let report = ErrorReport::new("invalid_file", format!("{shown} has {count}; nothing was sent"))
        .details(json!({ "problems": details }));
    Failure::new(ExitClass::Invalid, report)
}
