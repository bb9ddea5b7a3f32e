//! Reads the file of a batch and reports every mistake in it.

use std::io::Read as _;
use std::path::Path;

use portal_model::ApiVersion;
use portal_model::neutral::cut;

use super::csv::{self, Problem, Problems};
use super::plan::{self, Row};
use crate::org::identity::Identity;
use crate::org::profile::Profiles;
use crate::report::failure::{Details, ErrorKind, Failure, Mistake};
use crate::terminal::printer::Printer;

/// Means stdin.
const STDIN: &str = "-";

/// Whether a file can be read again and has a directory for a journal, unlike stdin and devices.
pub(crate) fn is_regular(path: &Path) -> bool {
    path != Path::new(STDIN) && !path.metadata().is_ok_and(|found| !found.is_file())
}

/// Returns the rows of a file without mistakes.
pub(crate) fn read(
    path: &Path,
    allow_another: bool,
    profiles: &Profiles,
    printer: &Printer,
) -> Result<Vec<Row>, Failure> {
    let bytes = if path == Path::new(STDIN) {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    let bytes = bytes
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    let mut checker = plan::Checker::new(
        allow_another,
        |name| profiles.entries().contains_key(name),
        |name| identity(profiles, name),
    );
    let problems = csv::read(&bytes, |entry, problems| checker.add(entry, problems));
    match problems.count() {
        0 => Ok(checker.into_rows()),
        _ => Err(refuse(path, problems, printer)),
    }
}

/// Returns the org of a profile, as far as it is known without a request.
fn identity(profiles: &Profiles, name: &str) -> Option<Identity> {
    // Problems with the credentials are reported later, before anything is sent.
    let profile = profiles.get(name).ok()?;
    let target = profile.target(name, ApiVersion::default(), None);
    Some(target.declared_identity().with_org(profile.org))
}

fn refuse(path: &Path, problems: Problems, printer: &Printer) -> Failure {
    let shown = path.display();
    let count = problems.count();
    let first = problems.into_first();
    for problem in &first {
        printer.note(cut(&format!("{shown}, {problem}")));
    }
    let more = count - first.len();
    if more > 0 {
        printer.note(format_args!("… and {more} more"));
    }
    let counted = if count == 1 { "1 mistake".to_owned() } else { format!("{count} mistakes") };
    let problems = first.into_iter().map(|Problem { line, message }| Mistake { line, message });
    let problems = problems.collect();
    let details = Details::Mistakes { more: (more > 0).then_some(more), problems };
    let message = format!("{shown} has {counted}; nothing was sent");
    Failure::new(ErrorKind::InvalidFile, message).details(details)
}
