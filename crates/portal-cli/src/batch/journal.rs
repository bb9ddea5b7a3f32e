//! The journal of a batch: an append-only file of JSON lines.
//!
//! The first line identifies the rows. An `attempt` line is synced before the request is sent, a
//! `result` line follows once the row has ended. So however the process ends, the next one knows
//! which rows are in doubt. Each line has a checksum and identifies its row redundantly, so that a
//! modified line is an error rather than the result of another row.

mod file;
mod line;
mod writer;

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail, ensure};
use portal_model::Outcome;
use portal_model::flow::CreateIntent;
use portal_model::outcome::{Doubt, NotDone, Unverified};

use self::line::{Event, FORMAT, Header, Line};
pub(crate) use self::writer::{About, Writer};
use super::plan::Row;
use super::result::{RowResult, Verdict};
use crate::org::identity::Identity;
use crate::sys::checked_line::{decode, encode};
use crate::sys::private_file::is_free;

/// The state of a row according to its journal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// Never sent, or certainly without effect.
    Open,
    /// May or may not have been created.
    InDoubt(Box<InDoubt>),
    /// Ended for certain.
    Done(Box<RowResult>),
}

/// A row in doubt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InDoubt {
    /// The number of the row, 1-based.
    pub(crate) row: usize,
    pub(crate) profile: String,
    pub(crate) intent: CreateIntent,
    /// The org in which it was started.
    pub(crate) org: Identity,
}

/// An open journal, locked against other processes.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    states: Vec<State>,
}

impl State {
    /// Returns the result of `row` if nothing more is done for it.
    pub(crate) fn so_far(&self, row: &Row) -> RowResult {
        let outcome = match self {
            Self::Done(result) => return result.as_ref().clone(),
            Self::Open => Outcome::NotCreated { name: row.name.clone(), why: NotDone::Stopped },
            Self::InDoubt(doubt) => doubt.stopped(),
        };
        RowResult::new(&outcome, row, None)
    }
}

impl InDoubt {
    /// Returns the outcome if nothing more is done.
    pub(crate) fn stopped(&self) -> Outcome {
        let (doubt, why) = (Doubt::Earlier, Unverified::Stopped);
        Outcome::Unknown { name: self.intent.name.to_string(), doubt, why }
    }
}

/// Formats as `row 3 (acme AcmePortal)`.
impl std::fmt::Display for InDoubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "row {} ({} {})", self.row, self.profile, self.intent.name)
    }
}

impl Journal {
    /// Opens or creates the journal at `path` for the rows of the file `csv`. `is_named` tells
    /// whether the user named the path.
    ///
    /// # Errors
    /// If another process has it open, if it belongs to other rows, or if it is damaged.
    pub(crate) fn open(
        path: &Path,
        is_named: bool,
        csv: &str,
        rows: &[Row],
    ) -> anyhow::Result<Self> {
        let shown = path.display();
        let mut file = file::open(path, is_named)?;
        locked(file.try_lock(), path)?;
        let header = Header::of(csv, rows);
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(|| format!("cannot read {shown}"))?;
        let states = if is_unused(&bytes, &header)? {
            begin(&mut file, path, &header)
                .with_context(|| format!("cannot write the journal {shown}"))?;
            vec![State::Open; rows.len()]
        } else {
            let whole = whole_lines(&bytes);
            let states =
                read(whole, &header, rows).with_context(|| format!("the journal {shown}"))?;
            // Drop what a crash cut off. Nothing was sent for it, because a request is sent only
            // after its line is complete.
            file.set_len(whole.len() as u64).and_then(|()| file.seek(SeekFrom::End(0)))?;
            states
        };
        Ok(Self { file, states })
    }

    /// Returns the state of each row.
    pub(crate) fn states(&self) -> &[State] {
        &self.states
    }

    /// Starts the writer.
    pub(crate) fn into_writer(self) -> std::io::Result<Writer> {
        Writer::start(self.file)
    }
}

/// Returns the state of each row according to the journal at `path`, without changing it.
///
/// # Errors
/// See [`Journal::open`].
pub(crate) fn peek(path: &Path, csv: &str, rows: &[Row]) -> anyhow::Result<Vec<State>> {
    let shown = path.display();
    if !path.is_file() {
        ensure!(!path.exists(), "the journal {shown} is not a regular file");
        return Ok(vec![State::Open; rows.len()]);
    }
    let mut file = File::open(path).with_context(|| format!("cannot open {shown}"))?;
    locked(file.try_lock_shared(), path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).with_context(|| format!("cannot read {shown}"))?;
    let header = Header::of(csv, rows);
    if is_unused(&bytes, &header)? {
        return Ok(vec![State::Open; rows.len()]);
    }
    read(whole_lines(&bytes), &header, rows).with_context(|| format!("the journal {shown}"))
}

fn locked(locked: Result<(), TryLockError>, path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    let is_free = is_free(locked).with_context(|| format!("cannot lock the journal {shown}"))?;
    ensure!(is_free, "the journal {shown} is in use by another `portal batch`: wait until it ends");
    Ok(())
}

/// Whether the journal was never used: it is empty, torn, or has only the header of a file that was
/// edited before the first attempt.
fn is_unused(bytes: &[u8], header: &Header) -> anyhow::Result<bool> {
    let has_no_rows = || {
        let lines = lines(whole_lines(bytes)).ok().flatten();
        lines.is_some_and(|(found, lines)| lines.is_empty() && found.sha256 != header.sha256)
    };
    Ok(is_torn_header(bytes, header)? || has_no_rows())
}

/// Returns the rows in doubt of the journal at `path`, whichever file it belongs to; none if it
/// doesn't exist.
///
/// # Errors
/// If it is damaged.
pub(crate) fn in_doubt(path: &Path) -> anyhow::Result<Vec<InDoubt>> {
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = lines(whole_lines(&bytes)).with_context(|| path.display().to_string());
    Ok(lines?.map_or_else(Vec::new, |(_, lines)| doubts(lines)))
}

fn whole_lines(bytes: &[u8]) -> &[u8] {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    bytes.get(..whole).unwrap_or_default()
}

/// Whether a crash left only a part of the first line.
fn is_torn_header(bytes: &[u8], header: &Header) -> serde_json::Result<bool> {
    Ok(!bytes.contains(&b'\n') && encode(header)?.starts_with(bytes))
}

fn begin(file: &mut File, path: &Path, header: &Header) -> anyhow::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&encode(header)?)?;
    file.sync_all()?;
    // The name of the file must be durable too, which only Unix requires and allows to request.
    if cfg!(unix)
        && let Some(directory) = path.parent()
    {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// Returns the header and the other lines with their numbers; `None` if the file is empty.
#[expect(clippy::type_complexity, reason = "used once")]
fn lines(text: &[u8]) -> anyhow::Result<Option<(Header, Vec<(usize, Line)>)>> {
    let mut lines = text.split(|byte| *byte == b'\n').zip(1_usize..);
    let Some((first, _)) = lines.next().filter(|(line, _)| !line.is_empty()) else {
        ensure!(text.is_empty(), "its first line is empty, expected a journal's");
        return Ok(None);
    };
    let header = decode::<Header>(first)
        .context("its first line is not that of a journal: pass another file as `--journal`")?;
    ensure!(header.journal == FORMAT, "it has the format {}, expected {FORMAT}", header.journal);
    let mut read = Vec::new();
    for (line, number) in lines.filter(|(line, _)| !line.is_empty()) {
        let line = decode(line).map_err(|error| {
            anyhow!(
                "its line {number} is damaged or was changed ({error:#}): restore it from a copy; \
                 `portal recover --list` has what is in doubt"
            )
        })?;
        read.push((number, line));
    }
    Ok(Some((header, read)))
}

fn read(text: &[u8], header: &Header, rows: &[Row]) -> anyhow::Result<Vec<State>> {
    let (found, lines) = lines(text)?.context("it is empty")?;
    if found.sha256 != header.sha256 {
        bail!(other_rows(&found, header, &doubts(lines)));
    }
    let mut states = vec![State::Open; rows.len()];
    for (number, line) in lines {
        let index = line.row.checked_sub(1);
        let row = index.and_then(|index| Some((rows.get(index)?, states.get_mut(index)?)));
        let (row, state) = row.with_context(|| {
            format!("its line {number} is about row {}, which {} has not", line.row, header.csv)
        })?;
        line.check(row).with_context(|| format!("its line {number} was changed"))?;
        *state = next(std::mem::replace(state, State::Open), line)
            .with_context(|| format!("its line {number}"))?;
    }
    Ok(states)
}

/// Returns the state of a row after another line.
fn next(before: State, line: Line) -> anyhow::Result<State> {
    let Line { row, profile, org, event, .. } = line;
    Ok(match event {
        Event::Attempt(intent) => {
            let intent = Event::into_create(intent)?;
            let org = org.context("it names no org")?;
            State::InDoubt(Box::new(InDoubt { row, profile, intent, org }))
        }
        // The intent of the attempt stays in doubt.
        Event::Result(result) if result.verdict() == Verdict::InDoubt => before,
        Event::Result(result) => State::Done(result),
    })
}

/// Returns what is in doubt after all lines.
fn doubts(lines: Vec<(usize, Line)>) -> Vec<InDoubt> {
    let mut states = std::collections::BTreeMap::new();
    for (_, line) in lines {
        let row = line.row;
        let before = states.remove(&row).unwrap_or(State::Open);
        states.insert(row, next(before, line).unwrap_or(State::Open));
    }
    let doubts = states.into_values().filter_map(|state| match state {
        State::InDoubt(doubt) => Some(*doubt),
        State::Open | State::Done(_) => None,
    });
    doubts.collect()
}

/// Names the rows in doubt first: after a change of the rows, nothing else leads back to them.
fn other_rows(found: &Header, wanted: &Header, in_doubt: &[InDoubt]) -> String {
    let doubt = match in_doubt {
        [] => String::new(),
        [one] => format!("{one} is in doubt; "),
        several => {
            let all: Vec<_> = several.iter().map(ToString::to_string).collect();
            format!("{} are in doubt; ", all.join(", "))
        }
    };
    if found.csv != wanted.csv {
        return format!(
            "{doubt}it belongs to {}, not to {}: pass another file as `--journal`",
            found.csv, wanted.csv
        );
    }
    let next = if in_doubt.is_empty() {
        "undo the change, or begin a new journal with `--journal FILE`"
    } else {
        "undo the change and run the same command to determine the outcome, or begin a new journal \
         with `--journal FILE`, which does so first"
    };
    let change = if found.rows == wanted.rows {
        "other rows".to_owned()
    } else {
        format!("{} rows, now {}", found.rows, wanted.rows)
    };
    format!("{doubt}it belongs to {} before it was changed ({change}): {next}", found.csv)
}

#[cfg(test)]
mod tests;
