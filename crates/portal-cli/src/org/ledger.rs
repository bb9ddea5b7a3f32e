//! The ledger of this user on this machine: what creates and renames attempted, and what came of it.

use std::fs;
use std::io::ErrorKind;

use portal_ledger::{Entry, Filter, Ledger, LedgerError};

use crate::org::OrgError;
use crate::sys::directories;

/// Opens the ledger, creating it if missing.
///
/// # Errors
/// [`OrgError::Ledger`]: nothing may be sent.
pub(crate) fn open() -> anyhow::Result<Ledger> {
    let directory = directories::state()?;
    Ok(Ledger::open(&directory).map_err(|source| {
        let file = fs::metadata(Ledger::path_in(&directory));
        let may_hold_something = match file {
            Ok(file) => file.len() > 0,
            Err(error) => error.kind() != ErrorKind::NotFound,
        };
        OrgError::Ledger { may_hold_something, source: source.into() }
    })?)
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
    Ok(entries_of(&open()?, filter).await?)
}

/// The entries of an open ledger that `filter` selects, newest first.
pub(crate) async fn entries_of(ledger: &Ledger, filter: &Filter) -> Result<Vec<Entry>, OrgError> {
    let unreadable =
        |source: LedgerError| OrgError::Ledger { may_hold_something: true, source: source.into() };
    ledger.entries(filter).await.map_err(unreadable)
}

/// What is unfinished: in doubt, or under way. With a `profile` only that which was begun with it.
///
/// # Errors
/// [`OrgError::Ledger`].
pub(crate) async fn unfinished(profile: Option<&str>) -> anyhow::Result<Vec<Entry>> {
    let mut filter = Filter::default();
    filter.labels = profile.map(|profile| [profile.to_owned()].into());
    filter.is_unfinished = true;
    entries(&filter).await
}
