//! The file of one create or rename, held by this process: [`OpenIntent`].

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use portal_http::client::IntentSink;
use portal_model::Outcome;
use portal_model::flow::Intent;

use super::file_name::FileName;
use super::line::{Attempt, End, Ending, Line, Whose, whole_lines};
use super::moment::Moment;
use crate::sys::checked_line::encode;
use crate::sys::private_file::is_free;
use crate::sys::signal::InDoubt;

/// One create or rename in the intent log: a file that this process locks from the first attempt
/// until the outcome is delivered. Before the first attempt there is no file.
///
/// Writes run on a separate thread, so that a slow disk does not delay Ctrl-C.
#[derive(Clone, Debug)]
pub(crate) struct OpenIntent(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    whose: Whose,
    file: Option<LogFile>,
    /// Attempts recorded by this process.
    attempts: u32,
    /// Whether an attempt of an earlier process was in doubt.
    is_recovery: bool,
    /// How the flow ended, if the outcome is certain.
    ending: Option<Ending>,
    /// From the first attempt until it is certain that it had no effect, or that is reported.
    doubt: Option<InDoubt>,
}

/// A locked, append-only file.
#[derive(Debug)]
pub(super) struct LogFile {
    file: File,
    /// The length of its complete lines.
    len: u64,
}

impl OpenIntent {
    /// A new create or rename; nothing is written yet.
    pub(super) fn new(directory: &Path, whose: Whose) -> Self {
        Self::with(directory, whose, None)
    }

    /// A create or rename of an earlier process, in its file.
    pub(super) fn recovering(directory: &Path, whose: Whose, file: LogFile) -> Self {
        Self::with(directory, whose, Some(file))
    }

    fn with(directory: &Path, whose: Whose, file: Option<LogFile>) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            directory: directory.to_owned(),
            whose,
            is_recovery: file.is_some(),
            doubt: file.as_ref().map(|_| InDoubt::new()),
            file,
            attempts: 0,
            ending: None,
        })))
    }

    /// Records that the outcome was printed or journaled: a certain one becomes a receipt. Releases
    /// the file in any case.
    pub(crate) async fn delivered(&self) -> io::Result<()> {
        self.blocking(Inner::delivered).await
    }

    /// Records that the user discards the outcome.
    pub(super) async fn discard(&self) -> io::Result<()> {
        self.blocking(|inner| {
            inner.append(&Line::Discarded(Moment::now()))?;
            (inner.file, inner.doubt) = (None, None);
            Ok(())
        })
        .await
    }

    /// Sets the outcome that [`delivered`](Self::delivered) records, for one from an earlier process.
    pub(super) fn set_ending(&self, ending: Ending) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_certain(ending);
    }

    pub(super) async fn note_end(&self, ending: Ending) -> io::Result<()> {
        self.blocking(move |inner| inner.end(ending)).await
    }

    async fn blocking(
        &self,
        work: impl FnOnce(&mut Inner) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let inner = self.0.clone();
        let work = move || work(&mut inner.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }
}

impl IntentSink for OpenIntent {
    async fn record(&mut self, intent: &Intent) -> io::Result<()> {
        let intent = intent.clone();
        self.blocking(move |inner| inner.record(intent)).await
    }

    async fn end(&mut self, outcome: &Outcome) -> io::Result<()> {
        self.note_end(outcome.into()).await
    }
}

impl Inner {
    fn record(&mut self, intent: Intent) -> io::Result<()> {
        let name = intent.name().clone();
        let attempt = Attempt { whose: self.whose.clone(), intent, at: Moment::now() };
        let line = Line::Intent(Box::new(attempt));
        self.doubt.get_or_insert_with(InDoubt::new);
        if let Some(file) = &mut self.file {
            file.append(&line)?;
        } else {
            let name = FileName::new(name.as_str(), &self.whose.identity);
            self.file = Some(LogFile::create(&self.directory, &name, &line)?);
        }
        self.attempts += 1;
        Ok(())
    }

    fn end(&mut self, ending: Ending) -> io::Result<()> {
        if !ending.is_certain()
            && let Some(doubt) = self.doubt.take()
        {
            doubt.stay();
        }
        // A recovery that could not determine the outcome made no attempt: the recorded end, or the
        // moment at which the lock was first held, still counts (rule 9).
        if !ending.is_certain() && self.attempts == 0 {
            return Ok(());
        }
        let after_doubt = self.is_recovery || self.attempts > 1 || ending.follows_doubt();
        self.append(&Line::Ended(End { at: Moment::now(), ending: ending.clone(), after_doubt }))?;
        if ending.is_certain() {
            self.is_certain(ending);
        } else {
            self.ending = None;
        }
        Ok(())
    }

    fn is_certain(&mut self, ending: Ending) {
        if !ending.is_done() {
            self.doubt = None;
        }
        self.ending = Some(ending);
    }

    fn delivered(&mut self) -> io::Result<()> {
        // Not synced: if a crash loses this line, the outcome is reported twice, which is harmless.
        if self.ending.is_some()
            && let Some(file) = &mut self.file
        {
            file.append_unsynced(&Line::Delivered(Moment::now()))?;
        }
        (self.file, self.doubt) = (None, None);
        Ok(())
    }

    fn append(&mut self, line: &Line) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.append(line))
    }
}

impl LogFile {
    /// Creates a file with its first line, both durable.
    pub(super) fn create(directory: &Path, name: &FileName, line: &Line) -> io::Result<Self> {
        // Renamed into place with the line written and the lock held, so that no process sees the file
        // without them.
        let mut new = tempfile::Builder::new().prefix(".new").tempfile_in(directory)?;
        new.as_file().lock()?;
        let line = encode(line)?;
        new.write_all(&line)?;
        new.as_file().sync_all()?;
        let path = directory.join(name.to_string());
        let file = new.persist_noclobber(path).map_err(|error| error.error)?;
        sync_directory(directory)?;
        Ok(Self { file, len: line.len() as u64 })
    }

    /// Locks a file and reads it. Returns `None` if another process holds it.
    pub(super) fn lock(path: &Path) -> io::Result<Option<(Self, Vec<u8>)>> {
        let mut file = File::options().read(true).write(true).open(path)?;
        if !is_free(file.try_lock())? {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let len = whole_lines(&bytes).map(|line| line.len() as u64 + 1).sum();
        Ok(Some((Self { file, len }, bytes)))
    }

    /// Appends a line durably.
    pub(super) fn append(&mut self, line: &Line) -> io::Result<()> {
        self.write(line, File::sync_data)
    }

    fn append_unsynced(&mut self, line: &Line) -> io::Result<()> {
        self.write(line, |_| Ok(()))
    }

    fn write(&mut self, line: &Line, sync: fn(&File) -> io::Result<()>) -> io::Result<()> {
        let line = encode(line)?;
        // Remove the rest of a line that an earlier write left incomplete.
        self.file.set_len(self.len)?;
        self.file.seek(SeekFrom::Start(self.len))?;
        self.file.write_all(&line)?;
        sync(&self.file)?;
        self.len += line.len() as u64;
        Ok(())
    }
}

/// Makes the name of a new file durable.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}
