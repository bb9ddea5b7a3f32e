//! The ledger of this user on this machine: what creates and renames attempted, and what came of it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use portal_ledger::{Entry, Filter, Ledger, LedgerError};
use portal_model::error::with_sources;

use crate::org::OrgError;
use crate::sys::directories;

/// Opens the ledger, creating it if missing.
///
/// # Errors
/// [`OrgError::Ledger`]: nothing may be sent.
pub(crate) async fn open() -> anyhow::Result<Ledger> {
    open_in(&directories::state()?).await
}

async fn open_in(directory: &Path) -> anyhow::Result<Ledger> {
    let error = match Ledger::open(directory) {
        Ok(ledger) => return Ok(ledger),
        Err(error) => error,
    };
    let may_hold_something = may_hold_something(directory).await.unwrap_or(true);
    Err(OrgError::Ledger { may_hold_something, why: with_sources(&error) }.into())
}

/// Whether a ledger that can't be opened holds something unfinished. One that can only be read is
/// read as a copy: it is one file.
async fn may_hold_something(directory: &Path) -> anyhow::Result<bool> {
    let file = Ledger::path_in(directory);
    match fs::metadata(&file) {
        Ok(metadata) if metadata.len() == 0 => return Ok(false),
        Ok(_) => {}
        Err(error) => {
            let is_missing =
                [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind());
            return Ok(!is_missing);
        }
    }
    let elsewhere = tempfile::tempdir()?;
    fs::copy(&file, Ledger::path_in(elsewhere.path()))?;
    let copy = Ledger::open(elsewhere.path())?;
    Ok(!copy.entries(&unfinished_of(None)).await?.is_empty())
}

/// The entries that `filter` selects, newest first; none if there is no ledger yet, which this does
/// not create.
///
/// # Errors
/// [`OrgError::Ledger`].
pub(crate) async fn entries(filter: &Filter) -> anyhow::Result<Vec<Entry>> {
    let is_missing = |error: std::io::Error| error.kind() == ErrorKind::NotFound;
    if fs::metadata(Ledger::path_in(directories::state()?)).is_err_and(is_missing) {
        return Ok(Vec::new());
    }
    Ok(entries_of(&open().await?, filter).await?)
}

/// The entries of an open ledger that `filter` selects, newest first.
pub(crate) async fn entries_of(ledger: &Ledger, filter: &Filter) -> Result<Vec<Entry>, OrgError> {
    let unreadable =
        |error: LedgerError| OrgError::Ledger { may_hold_something: true, why: error.to_string() };
    ledger.entries(filter).await.map_err(unreadable)
}

/// What is unfinished: in doubt, or under way. With a `profile` only that which was begun with it.
///
/// # Errors
/// [`OrgError::Ledger`].
pub(crate) async fn unfinished(profile: Option<&str>) -> anyhow::Result<Vec<Entry>> {
    entries(&unfinished_of(profile)).await
}

fn unfinished_of(profile: Option<&str>) -> Filter {
    let mut filter = Filter::default();
    filter.labels = profile.map(|profile| [profile.to_owned()].into());
    filter.is_unfinished = true;
    filter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_is_unfinished_or_unreadable_may_be_in_doubt() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let may_hold = || async { may_hold_something(path).await.unwrap_or(true) };
        assert!(!may_hold().await, "missing");
        fs::write(Ledger::path_in(path), "").unwrap();
        assert!(!may_hold().await, "empty");
        drop(Ledger::open(path).unwrap());
        assert!(!may_hold().await, "nothing in it");
        fs::write(Ledger::path_in(path), "not a ledger").unwrap();
        assert!(may_hold().await, "damaged");
    }
}
