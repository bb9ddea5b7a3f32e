//! The durable record of every create and rename of this machine (rule 11): [`IntentLog`].
//!
//! The directory `intents` has one file for each create or rename that made an attempt, batch rows
//! included. The process that makes the attempts holds a lock on the file: a free lock proves that
//! this process is dead. The lines of a file add up to its [`History`]. Once the outcome has been
//! delivered, the file is a receipt, which is kept for 24 hours.

mod file_name;
mod line;
mod listing;
mod moment;
mod open_intent;
mod org_lock;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use portal_model::CreateOperation;
use portal_model::flow::{Intent, Receipt};
use portal_model::identity::SameOrg;
use portal_model::name::is_same_name;

use self::file_name::FileName;
pub(crate) use self::line::{BatchRow, End, Ending, History, Whose};
use self::listing::{Listing, Listings};
pub(crate) use self::moment::Moment;
use self::open_intent::LogFile;
pub(crate) use self::open_intent::OpenIntent;
pub(crate) use self::org_lock::OrgLock;
use crate::org::identity::{self, Identity};
use crate::org::place::Place;
use crate::report::failure::{ErrorKind, Failure};
use crate::sys::directories;
use crate::sys::private_file::is_free;

/// The log of this user on this machine.
#[derive(Clone, Debug)]
pub(crate) struct IntentLog {
    directory: PathBuf,
    locks: PathBuf,
    /// Receipts that this process has read or delivered, since each create of a batch needs those of
    /// its org. Only [`appeared`](Self::appeared) changes them.
    receipts: Arc<Mutex<HashMap<Arc<Path>, Entry>>>,
    listings: Listings,
}

/// How long a receipt is kept.
const RECEIPT_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A create or rename in the log. A clone is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    path: Arc<Path>,
    pub(crate) history: Arc<History>,
    /// Whether a process holds its lock.
    is_held: bool,
}

/// The state of an [`Entry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Another process is working on it.
    InProgress,
    /// Its process is dead and left an attempt in doubt.
    InDoubt,
    /// It took effect, and the outcome was not delivered.
    Undelivered,
    /// The outcome is certain, and either delivered or without effect.
    Receipt,
}

/// A file that cannot be parsed.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) path: PathBuf,
    pub(crate) error: anyhow::Error,
    name: FileName,
}

/// A selection of the log.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The oldest first.
    pub(crate) entries: Vec<Entry>,
    pub(crate) unreadable: Vec<Unreadable>,
}

impl Found {
    /// Returns what was begun at `place` and is in doubt or in progress.
    pub(crate) fn unfinished_at(&self, place: &Place) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| {
            entry.history.whose.place == *place
                && matches!(entry.state(), State::InDoubt | State::InProgress)
        })
    }
}

/// The result of taking over an entry.
#[derive(Debug)]
pub(crate) enum Taken {
    /// This process holds the entry now, in this state.
    Held(Box<Entry>, OpenIntent),
    /// Another process holds it.
    InProgress,
    /// Another process has determined its outcome, and its receipt has expired.
    Gone,
}

impl IntentLog {
    /// Opens the log in the state directory, which must be writable: nothing is sent without it.
    pub(crate) fn open() -> Result<Self, Failure> {
        let state = directories::state()?;
        Self::at(&state).map_err(|error| {
            Failure::from(
                error.context(format!("cannot use the intent log in {}", state.display())),
            )
            .hint("set PORTAL_STATE_DIR to a directory that is writable and survives a restart")
        })
    }

    /// Opens the log in the state directory `state`.
    pub(crate) fn at(state: &Path) -> anyhow::Result<Self> {
        let log = Self {
            directory: state.join("intents"),
            locks: state.join("org-locks"),
            receipts: Arc::default(),
            listings: Listings::default(),
        };
        directories::make_private(&log.directory)?;
        directories::make_private(&log.locks)?;
        // Fail before anything is sent rather than at the first attempt.
        tempfile::tempfile_in(&log.directory)?;
        log.prune()?;
        Ok(log)
    }

    /// Begins a create or rename, which enters the log with its first attempt.
    pub(crate) fn begin(&self, whose: Whose) -> OpenIntent {
        OpenIntent::new(&self.directory, whose)
    }

    /// Tries to lock an org. Returns `None` if another create holds the lock.
    pub(crate) fn try_lock_org(&self, identity: &Identity) -> io::Result<Option<OrgLock>> {
        OrgLock::try_new(&self.locks, identity)
    }

    /// Returns every entry.
    pub(crate) async fn all(&self) -> io::Result<Found> {
        self.find(Listing::all).await
    }

    /// Returns every entry that can be read, outside of a runtime, and without creating a log.
    pub(crate) fn list_blocking() -> Option<Vec<Entry>> {
        let state = directories::state().ok().filter(|state| state.join("intents").is_dir())?;
        let log = Self::at(&state).ok()?;
        let listing = Listing::of(&log.directory).ok()?;
        Some(log.read_all(&listing.all()).entries)
    }

    /// Returns the entries that may concern the org of `identity` or one of `names`.
    pub(crate) async fn about(&self, identity: &Identity, names: &[String]) -> io::Result<Found> {
        let (tags, names) = (identity::tags(identity), names.to_vec());
        self.find(move |listing| listing.about(&tags, &names)).await
    }

    async fn find(
        &self,
        select: impl FnOnce(&Listing) -> Vec<&str> + Send + 'static,
    ) -> io::Result<Found> {
        let directory = self.directory.clone();
        let listing = self.listings.fresh(move || Listing::of(&directory)).await?;
        let log = self.clone();
        let read = move || log.read_all(&select(&listing));
        tokio::task::spawn_blocking(read).await.map_err(io::Error::other)
    }

    fn read_all(&self, names: &[&str]) -> Found {
        let mut found = Found::default();
        for name in names {
            let Some(file) = FileName::parse(name) else { continue };
            match self.read(&self.directory.join(name), file) {
                Ok(entry) => found.entries.extend(entry),
                Err(unreadable) => found.unreadable.push(*unreadable),
            }
        }
        found.entries.sort_by_key(|entry| entry.history.begun.time());
        found
    }

    /// Reads a file, unless it is a cached receipt. Returns `None` if it no longer exists.
    fn read(&self, path: &Path, name: FileName<&str>) -> Result<Option<Entry>, Box<Unreadable>> {
        if let Some(receipt) = self.receipts().get(path) {
            return Ok(Some(receipt.clone()));
        }
        let name = name.into_owned();
        let entry = match read(path, &name) {
            Ok(entry) => entry,
            Err(error) => {
                return Err(Box::new(Unreadable { path: path.to_owned(), error, name }));
            }
        };
        if let Some(entry) = entry.as_ref().filter(|entry| entry.is_final()) {
            self.receipts().insert(entry.path.clone(), entry.clone());
        }
        Ok(entry)
    }

    fn receipts(&self) -> MutexGuard<'_, HashMap<Arc<Path>, Entry>> {
        self.receipts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over an entry whose process is dead. If the end of its last attempt is not recorded,
    /// records this moment, by which the process was dead (rule 9).
    pub(crate) async fn take(&self, entry: &Entry) -> io::Result<Taken> {
        let (log, path) = (self.clone(), entry.path.clone());
        let take = move || log.take_blocking(&path);
        tokio::task::spawn_blocking(take).await.map_err(io::Error::other)?
    }

    fn take_blocking(&self, path: &Path) -> io::Result<Taken> {
        let Some((mut file, bytes)) = lock_patiently(path)? else { return Ok(Taken::InProgress) };
        let Some(name) = file_name(path).filter(|_| path.exists()) else { return Ok(Taken::Gone) };
        // Another process may have changed it since it was listed.
        let mut history = History::parse(&bytes, &name).map_err(io::Error::other)?;
        if history.last_attempt_ended().is_none() {
            let now = Moment::now();
            file.append(&line::Line::LockHeldSince(now.clone()))?;
            history.lock_held_since = Some(now);
        }
        let intent = OpenIntent::recovering(&self.directory, history.whose.clone(), file);
        if let Some(End { ending, .. }) = &history.end
            && ending.is_certain()
        {
            intent.set_ending(ending.clone());
        }
        let entry = Entry { path: path.into(), history: Arc::new(history), is_held: false };
        Ok(Taken::Held(Box::new(entry), intent))
    }

    /// Discards an entry, whose outcome stays unknown. Returns `false` if a process holds it.
    pub(crate) async fn discard(&self, entry: &Entry) -> io::Result<bool> {
        match self.take(entry).await? {
            Taken::Held(_, intent) => intent.discard().await.map(|()| true),
            Taken::InProgress => Ok(false),
            Taken::Gone => Ok(true),
        }
    }

    /// Records that a list shows the portal of a receipt whose outcome is "not created".
    pub(crate) async fn appeared(&self, entry: &Entry) -> io::Result<()> {
        let path = entry.path.clone();
        self.receipts().remove(&path);
        let note = move || match lock_patiently(&path)? {
            Some((mut file, _)) => file.append(&line::Line::Appeared(Moment::now())),
            None => Ok(()),
        };
        tokio::task::spawn_blocking(note).await.map_err(io::Error::other)?
    }

    /// Removes expired receipts, and files that were never completed.
    fn prune(&self) -> anyhow::Result<()> {
        let is_old = |path: &Path| {
            let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
            let age = modified.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
            age.is_ok_and(|age| age > RECEIPT_LIFETIME)
        };
        let entries = fs::read_dir(&self.directory)
            .with_context(|| format!("cannot read {}", self.directory.display()))?;
        for entry in entries {
            let path = entry?.path();
            if !is_old(&path) {
                continue;
            }
            let is_new =
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".new"));
            let is_spent = || {
                let entry = file_name(&path).and_then(|name| read(&path, &name).ok().flatten());
                entry.is_some_and(|entry| entry.state() == State::Receipt)
            };
            if is_new || is_spent() {
                // If this fails, the next process removes it.
                let _ = fs::remove_file(&path);
            }
        }
        Ok(())
    }
}

impl Entry {
    pub(crate) fn state(&self) -> State {
        match self.history.end.as_ref().map(|end| &end.ending).filter(|ending| ending.is_certain())
        {
            // Without effect, it can be repeated whether or not the outcome was delivered.
            Some(ending) if ending.is_done() && !self.history.is_delivered && !self.is_held => {
                State::Undelivered
            }
            // A process that holds it is about to deliver the outcome.
            Some(_) => State::Receipt,
            None if self.is_held => State::InProgress,
            None => State::InDoubt,
        }
    }

    /// Whether it is final: no process changes it.
    fn is_final(&self) -> bool {
        self.state() == State::Receipt && self.history.is_delivered && !self.is_held
    }

    /// The final name of the portal, or the requested one.
    pub(crate) fn name(&self) -> &str {
        self.history.intent.name().as_str()
    }

    pub(crate) fn is_create(&self) -> bool {
        matches!(self.history.intent, Intent::Create(_))
    }

    /// The path of its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The least time since its last attempt ended.
    pub(crate) fn since_end(&self) -> Duration {
        let end = self.history.last_attempt_ended();
        end.map(|end| end.certain_age(&Moment::now())).unwrap_or_default()
    }

    /// The time since its last attempt ended, or its first one began, by the wall clock.
    pub(crate) fn attempt_age(&self) -> Duration {
        let last = self.history.last_attempt_ended().unwrap_or(&self.history.begun);
        last.age(&Moment::now())
    }

    /// Whether it concerns the portal `name`, including earlier and fallback names.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        let old = match &self.history.intent {
            Intent::Rename(rename) => Some(rename.old.as_str()),
            _ => None,
        };
        std::iter::once(self.name()).chain(old).any(|known| is_same_name(known, name))
    }

    /// Whether it is an earlier run of this create.
    pub(crate) fn is_of(&self, wish: &CreateOperation) -> bool {
        matches!(&self.history.intent, Intent::Create(intent) if wish.has_left(intent))
    }

    /// Whether it concerns one of the create's names, such as the old one of a rename.
    pub(crate) fn concerns(&self, wish: &CreateOperation) -> bool {
        wish.names().any(|name| self.has_name(name.as_str()))
    }

    /// Whether it was begun in the org of `identity`.
    pub(crate) fn is_in(&self, identity: &Identity) -> bool {
        self.identity().compare(identity) == SameOrg::Yes
    }

    /// The org in which it was begun.
    pub(crate) fn identity(&self) -> &Identity {
        &self.history.whose.identity
    }

    /// The portal that it proves to exist, even if no list shows it yet.
    fn receipt(&self, now: &Moment) -> Option<Receipt> {
        let end = self.history.end.as_ref()?;
        let name = match &end.ending {
            Ending::Created { name } | Ending::Present { name, .. } => name.clone(),
            Ending::Renamed => self.name().to_owned(),
            _ => return None,
        };
        Some(Receipt {
            entry: String::new(),
            name,
            id: None,
            baseline: self.history.intent.baseline().cloned(),
            has_same_key: false,
            age: end.at.age(now),
        })
    }

    /// Whether the user discarded its outcome: its effect may still appear (rule 11).
    pub(crate) fn is_discarded_create(&self) -> bool {
        let ending = self.history.end.as_ref().map(|end| &end.ending);
        self.is_create() && ending == Some(&Ending::Discarded)
    }

    /// Whether it was reported as not done after an attempt in doubt: its effect may appear late.
    pub(crate) fn may_appear_late(&self) -> bool {
        self.state() == State::Receipt
            && self.is_create()
            && self.history.end.as_ref().is_some_and(|end| end.after_doubt && !end.ending.is_done())
    }
}

/// Returns the portals that the `entries` of one org prove to exist, whatever a list shows. A name
/// that a later rename released does not count.
pub(crate) fn receipts(entries: &[Entry]) -> Vec<Receipt> {
    // Once for all: the boot's id is read from a file.
    let now = Moment::now();
    let mut receipts: Vec<Receipt> = Vec::new();
    for entry in entries {
        let Some(receipt) = entry.receipt(&now) else { continue };
        if let Intent::Rename(rename) = &entry.history.intent {
            receipts.retain(|earlier| !is_same_name(&earlier.name, &rename.old));
        }
        receipts.push(receipt);
    }
    receipts
}

impl Unreadable {
    /// Whether it may concern the org of `identity`.
    pub(crate) fn may_concern(&self, identity: &Identity) -> bool {
        self.name.may_concern(&identity::tags(identity))
    }

    /// Whether it may concern one of `names` in the org of `identity`.
    pub(crate) fn is_of(&self, identity: &Identity, names: &[String]) -> bool {
        self.may_concern(identity) && names.iter().any(|name| is_same_name(name, self.portal()))
    }

    /// The portal that it may concern.
    pub(crate) fn portal(&self) -> &str {
        &self.name.portal
    }

    /// Why a command cannot go on, or reports it.
    pub(crate) fn failure(&self) -> Failure {
        let message = format!("cannot read {}: {:#}", self.path.display(), self.error);
        let portal = self.portal();
        Failure::new(ErrorKind::UnreadableIntent, message)
            .hint(format!("check in Zoho CRM whether {portal} exists, then remove the file"))
    }
}

/// Parses the name of a file of the log.
fn file_name(path: &Path) -> Option<FileName> {
    path.file_name()?.to_str().and_then(FileName::parse).map(FileName::into_owned)
}

/// Reads a file. Returns `None` if it no longer exists.
fn read(path: &Path, name: &FileName) -> anyhow::Result<Option<Entry>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // A shared lock: two readers must not mistake each other for a process that holds the entry.
    let is_held = !is_free(file.try_lock_shared())?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let history = History::parse(&bytes, name)?;
    Ok(Some(Entry { path: path.into(), history: Arc::new(history), is_held }))
}

/// Locks a file, waiting for processes that only read it.
fn lock_patiently(path: &Path) -> io::Result<Option<(LogFile, Vec<u8>)>> {
    const TRIES: u32 = 20;
    const BETWEEN: Duration = Duration::from_millis(5);
    for _ in 1..TRIES {
        if let Some(locked) = LogFile::lock(path)? {
            return Ok(Some(locked));
        }
        std::thread::sleep(BETWEEN);
    }
    LogFile::lock(path)
}

#[cfg(test)]
mod tests;
