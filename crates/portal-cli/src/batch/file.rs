//! Reads the file of a batch and finds every mistake in it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io::{self, Read as _};
use std::path::Path;

use super::csv;
use super::mistake::Problem;
use super::rows::{self, Row};
use crate::org::profile::{Profile, Profiles};

/// Means stdin.
const STDIN: &str = "-";

/// Reads all of a file or stdin.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path != Path::new(STDIN) {
        return std::fs::read(path);
    }
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes).map(|_| bytes)
}

/// Returns the rows of a file, or its mistakes by line.
pub(crate) fn rows(
    bytes: &[u8],
    allow_another: bool,
    profiles: &Profiles,
) -> Result<Vec<Row>, Vec<Problem>> {
    let hasher = RandomState::new();
    let has_profile = |name: &str| profiles.entries().contains_key(name);
    let signs = |name: &str| signs(profiles, name, &hasher);
    let (entries, mut problems) = csv::read(bytes);
    let rows = rows::check(entries, allow_another, has_profile, signs, &mut problems);
    if problems.is_empty() {
        return Ok(rows);
    }
    problems.sort_by_cached_key(|problem| (problem.line, problem.mistake.to_string()));
    Err(problems)
}

/// What only profiles of one org have in common: its id, or its credentials.
fn signs(profiles: &Profiles, name: &str, hasher: &RandomState) -> Vec<u64> {
    // Problems with the credentials are reported later, before anything is sent.
    let Ok(Profile { entry, secrets }) = profiles.get(name) else { return Vec::new() };
    let accounts = entry.hosts.accounts_url();
    // Hashed, so that no secret is copied.
    let credential = hasher.hash_one((accounts, &entry.client_id, secrets.refresh_token.expose()));
    let org = entry.org.as_ref().map(|org| hasher.hash_one((accounts, &org.id)));
    std::iter::once(credential).chain(org).collect()
}
