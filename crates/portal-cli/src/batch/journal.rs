//! What a batch did, kept in a file of JSON lines that is only ever appended to.
//!
//! The first line says which rows it is about. A `sending` line is on the disk before the create
//! that it names is sent, a `result` line when it is over: whatever ends the process, the next one
//! knows which rows may have been created.

mod writer;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use portal_model::Outcome;
use portal_model::flow::Intent;
use portal_model::outcome::{Doubt, NotCreated, Unsettled};
use serde::{Deserialize, Serialize};

pub(crate) use writer::Writer;

use super::plan::{Row, fingerprint};
use super::result::{RowResult, Verdict};

/// Which rows a journal is about: its first line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    /// The version of the format.
    journal: u32,
    /// The file that the rows come from.
    csv: String,
    rows: usize,
    /// Of the rows as they are understood, not of the bytes of the file.
    sha256: String,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// Counted from 1, without the header and blank lines of the file.
    row: usize,
    profile: String,
    #[serde(flatten)]
    event: Event,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Sending(Intent),
    Result(Box<RowResult>),
}

/// What a journal knows of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// It was never sent, or certainly came to nothing.
    Open,
    /// It may or may not have been created.
    InDoubt(Intent),
    /// It is over, for certain.
    Over(Box<RowResult>),
}

impl State {
    /// How `row` stands if nothing more is done for it.
    pub(crate) fn so_far(&self, row: &Row) -> RowResult {
        let outcome = match self {
            Self::Over(result) => return result.as_ref().clone(),
            Self::Open => {
                Outcome::NotCreated { name: row.name.clone(), reason: NotCreated::Stopped }
            }
            Self::InDoubt(intent) => Outcome::Unknown {
                intent: intent.clone(),
                doubt: Doubt::Resumed,
                unsettled: Unsettled::Stopped,
            },
        };
        RowResult::new(&outcome, row)
    }
}

/// A journal that no other process can open.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    states: Vec<State>,
}

impl Journal {
    /// Opens or begins the journal at `path` for the rows of the file called `csv`.
    ///
    /// # Errors
    /// Where another process has it, where it is about other rows, or no journal at all.
    pub(crate) fn open(path: &Path, csv: &str, rows: &[Row]) -> anyhow::Result<Self> {
        let shown = path.display();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .with_context(|| format!("the journal {shown} can't be opened"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another `portal create` is at work with the journal {shown}: wait until it ends"
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("the journal {shown} can't be locked"));
            }
        }
        let header =
            Header { journal: 1, csv: csv.to_owned(), rows: rows.len(), sha256: fingerprint(rows) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(|| format!("{shown} can't be read"))?;
        let states = if is_torn_header(&bytes, &header)? {
            begin(&mut file, path, &header)
                .with_context(|| format!("the journal {shown} can't be written"))?;
            vec![State::Open; rows.len()]
        } else {
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let text = bytes.get(..whole).unwrap_or_default();
            let states =
                read(text, &header, rows).with_context(|| format!("the journal {shown}"))?;
            // What a crash cut short was never acted upon: nothing is sent before its line is
            // whole.
            file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::End(0)))?;
            states
        };
        Ok(Self { file, states })
    }

    /// What is known of each row.
    pub(crate) fn states(&self) -> &[State] {
        &self.states
    }

    /// Starts to write.
    pub(crate) fn into_writer(self) -> std::io::Result<Writer> {
        Writer::start(self.file)
    }
}

/// Whether a crash left no more than a part of the first line.
fn is_torn_header(bytes: &[u8], header: &Header) -> serde_json::Result<bool> {
    let whole = serde_json::to_vec(header)?;
    Ok(!bytes.contains(&b'\n') && whole.starts_with(bytes))
}

fn begin(file: &mut File, path: &Path, header: &Header) -> anyhow::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&to_line(header)?)?;
    file.sync_all()?;
    // The name of the file must last too; only Unix can and must be told so.
    if cfg!(unix)
        && let Some(folder) = path.parent()
    {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn read(text: &[u8], header: &Header, rows: &[Row]) -> anyhow::Result<Vec<State>> {
    let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let found: Header = lines
        .next()
        .and_then(|line| serde_json::from_slice(line).ok())
        .context("its first line is not that of a journal: give another file with --journal")?;
    if found.journal != header.journal {
        bail!("it has the format {}, expected {}", found.journal, header.journal);
    }
    if found.sha256 != header.sha256 {
        bail!(other_rows(&found, header));
    }
    let mut states = vec![State::Open; rows.len()];
    for (index, line) in lines.enumerate() {
        let line: Line = serde_json::from_slice(line)
            .with_context(|| format!("its line {} can't be read", index + 2))?;
        let state = line.row.checked_sub(1).and_then(|row| states.get_mut(row));
        let state = state.with_context(|| {
            format!(
                "its line {} is about row {}, which {} has not",
                index + 2,
                line.row,
                header.csv
            )
        })?;
        match line.event {
            Event::Sending(intent) => *state = State::InDoubt(intent),
            // The doubt stays with its intent.
            Event::Result(result) if result.verdict() == Verdict::InDoubt => {}
            Event::Result(result) => *state = State::Over(result),
        }
    }
    Ok(states)
}

fn other_rows(found: &Header, wanted: &Header) -> String {
    if found.csv == wanted.csv {
        format!(
            "it belongs to {} as it was before ({} rows, now {}): undo the change, or \
             begin a new journal with --journal FILE",
            found.csv, found.rows, wanted.rows
        )
    } else {
        format!(
            "it belongs to {}, not to {}: give another file with --journal",
            found.csv, wanted.csv
        )
    }
}

fn to_line(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests;
