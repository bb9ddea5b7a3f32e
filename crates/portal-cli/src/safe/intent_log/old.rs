//! Moves intents of version 0.1 from the directory `pending` into the intent log.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use portal_model::flow::Intent;
use serde::Deserialize;

use super::file_name::FileName;
use super::line::{Attempt, Line, Whose, whole_lines};
use super::moment::Moment;
use super::open_intent::LogFile;
use crate::org::place::Place;

/// A line of such a file. It does not name the org, only the place.
#[derive(Deserialize)]
struct OldLine {
    place: Place,
    intent: Intent,
}

/// Moves every intent whose process is dead. Returns the files that cannot be parsed.
pub(super) fn move_all(from: &Path, to: &Path) -> io::Result<Vec<(PathBuf, anyhow::Error)>> {
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut unreadable = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if let Err(error) = move_one(&path, to) {
            unreadable.push((path, error));
        }
    }
    Ok(unreadable)
}

fn move_one(path: &Path, to: &Path) -> anyhow::Result<()> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        // Another process has moved it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match file.try_lock() {
        Ok(()) if path.exists() => {}
        Ok(()) | Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    if let Some(line) = last_whole_line(&file)? {
        let OldLine { place, intent } = serde_json::from_slice(&line)?;
        let name = FileName::new(intent.name().as_str(), None);
        let whose = Whose { identity: None, place, batch_row: None };
        // The time of the attempt is unknown: count from now.
        let line = Line::Intent(Box::new(Attempt { whose, intent, at: Moment::now() }));
        LogFile::create(to, &name, &line)?;
    }
    // Without a complete line, nothing was sent.
    fs::remove_file(path)?;
    Ok(())
}

fn last_whole_line(mut file: &File) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(whole_lines(&bytes).last().map(<[u8]>::to_vec))
}
