//! The ledger of this user on this machine, or of several: what creates and renames attempted, and what
//! came of it.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portal_ledger::deadpool_postgres::{Manager, Pool};
use portal_ledger::{Entry, Filter, Ledger};
use portal_model::error::with_sources;
use portal_store::DatabaseUrl;

use crate::report::failure::{ErrorKind, Failure};
use crate::sys::invalid_input::InvalidInput;
use crate::sys::{directories, environment};

/// Where the ledger is.
#[derive(Debug)]
pub(crate) enum Place {
    /// In this directory of the user's.
    Directory(PathBuf),
    /// In a database that several machines share.
    Database(Box<DatabaseUrl>),
}

impl Place {
    /// That of `PORTAL_LEDGER`, else the user's own.
    ///
    /// # Errors
    /// The variable is unusable, or there is no home directory.
    pub(crate) fn new() -> anyhow::Result<Self> {
        const NAME: &str = "PORTAL_LEDGER";
        let url = environment::text(NAME)?.filter(|url| !url.is_empty());
        let Some(url) = url else { return Ok(Self::Directory(directories::state()?)) };
        let unusable = |error| InvalidInput(format!("{NAME}: {}", with_sources(&error)));
        Ok(Self::Database(Box::new(DatabaseUrl::parse(&url).map_err(unusable)?)))
    }

    async fn open(self) -> Result<Ledger, Failure> {
        match self {
            Self::Directory(directory) => open_in(&directory).await,
            Self::Database(url) => {
                let (config, tls) = url.into_parts();
                Ok(Ledger::postgres(Pool::builder(Manager::new(config, tls)).build()?))
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(directory) => Ledger::path_in(directory).display().fmt(f),
            Self::Database(url) => url.fmt(f),
        }
    }
}

/// Opens the ledger, creating it if missing.
///
/// # Errors
/// It is unusable: nothing may be sent.
pub(crate) async fn open() -> Result<Ledger, Failure> {
    Place::new()?.open().await
}

async fn open_in(directory: &Path) -> Result<Ledger, Failure> {
    warn_if_emptied(&Ledger::path_in(directory));
    let error = match Ledger::open(directory) {
        Ok(ledger) => return Ok(ledger),
        Err(error) => error,
    };
    let why = with_sources(&error);
    if may_hold_something(directory).await.unwrap_or(true) {
        return Err(unreadable(why));
    }
    Err(Failure::new(ErrorKind::NotRecorded, why).hint(
        "make the state directory writable, or, if there is no ledger yet, set PORTAL_STATE_DIR",
    ))
}

/// Something may be in doubt that can't be read.
fn unreadable(why: String) -> Failure {
    Failure::new(ErrorKind::UnreadableLedger, why).hint(
        "make the file, or the database of PORTAL_LEDGER, readable and writable, or restore a copy of \
         it; without it, move it away and check in Zoho CRM what may be in doubt",
    )
}

/// A file that has lost all of its content counts as a new one, as does that of a process that was killed
/// before it wrote any.
fn warn_if_emptied(file: &Path) {
    /// By then the process that makes it has written to it.
    const MAKING: Duration = Duration::from_secs(10);
    let Ok(metadata) = fs::metadata(file).and_then(|file| Ok((file.len(), file.modified()?)))
    else {
        return;
    };
    if metadata.0 == 0 && metadata.1.elapsed().is_ok_and(|age| age > MAKING) {
        tracing::warn!(
            file = %file.display(),
            "the ledger is empty and counts as new; if it was not, restore a copy of it"
        );
    }
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
                [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind());
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
/// It can't be read.
pub(crate) async fn entries(filter: &Filter) -> Result<Vec<Entry>, Failure> {
    let is_missing = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
    let place = Place::new()?;
    if let Place::Directory(directory) = &place
        && fs::metadata(Ledger::path_in(directory)).is_err_and(is_missing)
    {
        return Ok(Vec::new());
    }
    entries_of(&place.open().await?, filter).await
}

/// The entries of an open ledger that `filter` selects, newest first.
pub(crate) async fn entries_of(ledger: &Ledger, filter: &Filter) -> Result<Vec<Entry>, Failure> {
    ledger.entries(filter).await.map_err(|error| unreadable(error.to_string()))
}

/// What is unfinished: in doubt, or under way. With a `profile` only that which was begun with it.
///
/// # Errors
/// The ledger can't be read.
pub(crate) async fn unfinished(profile: Option<&str>) -> Result<Vec<Entry>, Failure> {
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
