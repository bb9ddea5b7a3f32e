//! The ledger of this user on this machine, or of several: what creates and renames attempted, and what
//! came of it.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portal_ledger::deadpool_postgres::{Manager, Pool};
use portal_ledger::{Entry, Filter, Ledger, LedgerError};
use portal_model::error::with_sources;
use portal_store::DatabaseUrl;
use tempfile::TempDir;

use crate::report::failure::{ErrorKind, Failure};
use crate::report::place;
use crate::sys::{InvalidInput, directories, environment};

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
        let Some(url) = environment::text(NAME)? else {
            return Ok(Self::Directory(directories::state()?));
        };
        let unusable = |error| InvalidInput(format!("{NAME}: {}", with_sources(&error)));
        Ok(Self::Database(Box::new(DatabaseUrl::parse(&url).map_err(unusable)?)))
    }

    /// That of what is done there: no other machine has anything to do with an org of this one.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn of(org: &place::Place) -> anyhow::Result<Self> {
        match org {
            place::Place::Local => Ok(Self::Directory(directories::state()?)),
            place::Place::Profile(_) | place::Place::Explicit(_) => Self::new(),
        }
    }

    /// Opens the ledger, creating it if missing.
    ///
    /// # Errors
    /// It is unusable: nothing may be sent.
    pub(crate) async fn open(self) -> Result<Ledger, Failure> {
        let place = self.to_string();
        let url = match self {
            Self::Directory(directory) => return open_in(&directory).await,
            Self::Database(url) => url,
        };
        let (config, tls) = url.into_parts();
        let ledger = Ledger::postgres(Pool::builder(Manager::new(config, tls)).build()?);
        // Before anything else, so that what is wrong with it is said of it.
        let mut nothing = Filter::default();
        nothing.limit = Some(0);
        let why = match ledger.entries(&nothing).await {
            Ok(_) => return Ok(ledger),
            Err(LedgerError::NotApplied(why)) => why,
            Err(error) => error.to_string(),
        };
        let message = format!("cannot use the ledger {place}: {why}; nothing was sent");
        Err(Failure::new(ErrorKind::UnreadableLedger, message)
            .hint("start that database, let its role create tables, or correct PORTAL_LEDGER"))
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
    let hint = match fs::metadata(Ledger::path_in(directory)) {
        Ok(file) if file.is_file() => {
            "make it writable, or end the program that has it locked; then run the same command again"
        }
        Ok(_) => "move it away, or set PORTAL_STATE_DIR",
        Err(_) => "make the state directory writable, or set PORTAL_STATE_DIR",
    };
    Err(Failure::new(ErrorKind::NotRecorded, why).hint(hint))
}

/// Something may be in doubt that can't be read.
pub(crate) fn unreadable(why: String) -> Failure {
    Failure::new(ErrorKind::UnreadableLedger, why).hint(
        "end the program that has the file locked, or make it readable and writable; else restore a \
         copy of it, or, without one, move it away and check in Zoho CRM what may be in doubt",
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

/// A copy of a ledger that can only be read, and the directory that it is in.
fn copied(directory: &Path) -> anyhow::Result<(Ledger, TempDir)> {
    let elsewhere = tempfile::tempdir()?;
    let [from, to] = [directory, elsewhere.path()].map(Ledger::path_in);
    // A FIFO would never end.
    anyhow::ensure!(from.is_file(), "not a regular file");
    fs::copy(&from, &to)?;
    // With what undoes a change that was cut off.
    let [journal, copy] = [&from, &to].map(|path| path.with_extension("sqlite-journal"));
    if journal.is_file() {
        fs::copy(journal, copy)?;
    }
    Ok((Ledger::open(elsewhere.path())?, elsewhere))
}

/// Whether a ledger that can't be opened holds something unfinished.
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
    let (copy, _elsewhere) = copied(directory)?;
    Ok(!copy.entries(&unfinished_of(None)).await?.is_empty())
}

/// The entries that `filter` selects, newest first; none if there is no ledger yet, which this does
/// not create.
///
/// # Errors
/// As [`Place::open`].
pub(crate) async fn entries(place: Place, filter: &Filter) -> Result<Vec<Entry>, Failure> {
    let is_missing = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
    let Place::Directory(directory) = place else {
        return entries_of(&place.open().await?, filter).await;
    };
    if fs::metadata(Ledger::path_in(&directory)).is_err_and(is_missing) {
        return Ok(Vec::new());
    }
    match open_in(&directory).await {
        Ok(ledger) => entries_of(&ledger, filter).await,
        Err(unusable) => {
            let Ok((copy, _elsewhere)) = copied(&directory) else { return Err(unusable) };
            entries_of(&copy, filter).await
        }
    }
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
    entries(Place::new()?, &unfinished_of(profile)).await
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
