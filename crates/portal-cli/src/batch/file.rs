//! Reads the file of a batch and finds every mistake in it.

use std::io::{self, Read as _};
use std::path::Path;

use super::csv;
use super::mistake::Problems;
use super::plan::{self, Row};
use crate::org::identity::Identity;
use crate::org::profile::Profiles;

/// Means stdin.
const STDIN: &str = "-";

/// Whether a file can be read again and has a directory for a journal, unlike stdin and devices.
pub(crate) fn is_regular(path: &Path) -> bool {
    path != Path::new(STDIN) && !path.metadata().is_ok_and(|found| !found.is_file())
}

/// Reads all of a file or stdin.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path != Path::new(STDIN) {
        return std::fs::read(path);
    }
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes).map(|_| bytes)
}

/// Returns the rows of a file without mistakes.
pub(crate) fn rows(
    bytes: &[u8],
    allow_another: bool,
    profiles: &Profiles,
) -> Result<Vec<Row>, Problems> {
    let mut checker = plan::Checker::new(
        allow_another,
        |name| profiles.entries().contains_key(name),
        |name| identity(profiles, name),
    );
    let problems = csv::read(bytes, |entry, problems| checker.add(entry, problems));
    if problems.count() == 0 { Ok(checker.rows) } else { Err(problems) }
}

/// Returns the org of a profile, as far as it is known without a request.
fn identity(profiles: &Profiles, name: &str) -> Option<Identity> {
    // Problems with the credentials are reported later, before anything is sent.
    let profile = profiles.get(name).ok()?;
    let target = profile.target(name, None);
    Some(target.declared_identity().with_org(profile.entry.org))
}
