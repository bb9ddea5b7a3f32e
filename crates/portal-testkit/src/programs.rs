//! Which programs this machine has. The build script of the attribute compiles this file too.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `required`: a missing program is a build failure. `hidden`: as if none were there.
pub(crate) const VARIABLE: &str = "PORTAL_TEST_PROGRAMS";

fn are_hidden() -> bool {
    env::var_os(VARIABLE).is_some_and(|value| value == "hidden")
}

/// The folders of the path.
fn path() -> Vec<PathBuf> {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect()
}

/// Where the program is on the path.
#[allow(dead_code, reason = "the build script looks for programs that tests start by name")]
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let mut files = path().into_iter().map(|folder| folder.join(program));
    files.find(|file| !are_hidden() && file.is_file())
}

/// The folder with `initdb`, `pg_ctl` and `postgres`, if they can be run: PostgreSQL refuses root, who has
/// to change to the user postgres.
pub(crate) fn postgresql() -> Option<PathBuf> {
    // Debian keeps each version's in a folder of its own, off the path.
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut by_version: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .collect();
    by_version.sort_unstable_by(|one, two| two.cmp(one));
    let is_complete = |folder: &Path| {
        ["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).is_file())
    };
    let newest_first = by_version.into_iter().map(|(_, folder)| folder.join("bin"));
    let mut folders = newest_first.chain(path());
    folders.find(|folder| !are_hidden() && is_complete(folder)).filter(|_| !is_root() || has_user())
}

pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

fn has_user() -> bool {
    let changed = Command::new("runuser").args(["-u", "postgres", "--", "true"]).status();
    changed.is_ok_and(|status| status.success())
}
