//! Creates in doubt, kept in the state folder so that a later process can settle them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use portal_http::client::IntentSink;
use portal_model::flow::Intent;
use serde::{Deserialize, Serialize};

use crate::folders;
use crate::target::Place;

/// The intents of one create: a file that its process holds locked, one intent a line, the last
/// whole line counting. It is there while the create is under way or in doubt.
#[derive(Debug)]
pub(crate) struct PendingCreate {
    folder: PathBuf,
    place: Place,
    file: Option<(PathBuf, File)>,
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    place: Place,
    intent: Intent,
}

/// A create that a process left in doubt.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) place: Place,
    pub(crate) intent: Intent,
    path: PathBuf,
    file: File,
}

impl Left {
    /// The file that keeps it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl PendingCreate {
    /// For a create at `place`; nothing is written yet.
    pub(crate) fn new(place: Place) -> anyhow::Result<Self> {
        Ok(Self { folder: folder()?, place, file: None })
    }

    /// For settling what was left: the same file, until it is certain.
    pub(crate) fn settling(left: Left) -> anyhow::Result<Self> {
        Ok(Self { folder: folder()?, place: left.place, file: Some((left.path, left.file)) })
    }

    fn open(&mut self, name: &str) -> io::Result<&mut File> {
        if self.file.is_none() {
            folders::make_private(&self.folder)
                .map_err(|error| io::Error::other(format!("{error:#}")))?;
            let (file, path) = tempfile::Builder::new()
                .prefix(&format!("{name}."))
                .suffix(".json")
                .tempfile_in(&self.folder)?
                .keep()
                .map_err(|error| error.error)?;
            file.lock()?;
            sync_folder(&self.folder)?;
            self.file = Some((path, file));
        }
        self.file.as_mut().map(|(_, file)| file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl IntentSink for PendingCreate {
    async fn record(&mut self, intent: &Intent) -> io::Result<()> {
        let line = Line { place: self.place.clone(), intent: intent.clone() };
        let mut text = serde_json::to_string(&line)?;
        text.push('\n');
        let file = self.open(intent.name.as_str())?;
        file.write_all(text.as_bytes())?;
        file.sync_data()
    }

    async fn clear(&mut self) -> io::Result<()> {
        match self.file.take() {
            Some((path, _locked)) => fs::remove_file(path),
            None => Ok(()),
        }
    }
}

/// The creates that were left in doubt. One whose process still runs is not among them.
pub(crate) fn left() -> anyhow::Result<Vec<Left>> {
    let folder = folder()?;
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("{} can't be read", folder.display()));
        }
    };
    let mut left = Vec::new();
    for entry in entries {
        let path = entry?.path();
        left.extend(read(&path).with_context(|| {
            format!("{} can't be read; remove it once you looked for its portal", path.display())
        })?);
    }
    left.sort_by(|one, other| one.intent.name.as_str().cmp(other.intent.name.as_str()));
    Ok(left)
}

/// Reads a file, unless its process still runs, has just removed it, or wrote nothing down: then
/// it sent nothing.
fn read(path: &Path) -> anyhow::Result<Option<Left>> {
    let file = match OpenOptions::new().read(true).append(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(None),
        Err(fs::TryLockError::Error(error)) => return Err(error.into()),
    }
    let text = io::read_to_string(&file)?;
    let mut whole_lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let Some(line) = whole_lines.next_back() else { return Ok(None) };
    let Line { place, intent } = serde_json::from_str(line)?;
    Ok(Some(Left { place, intent, path: path.to_owned(), file }))
}

fn folder() -> anyhow::Result<PathBuf> {
    Ok(folders::state()?.join("pending"))
}

/// Makes the name of a new file as durable as its content.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"place":"local","intent":{"name":"AcmePortal","posts":1}}"#;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("AcmePortal.x.json");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn a_half_written_intent_reads_as_the_one_before_or_as_none() {
        let later = LINE.replace("\"posts\":1", "\"posts\":2");
        let (_folder, path) = file(&format!("{LINE}\n{later}\n"));
        assert_eq!(read(&path).unwrap().unwrap().intent.posts, 2);
        let (_folder, path) = file(&format!("{LINE}\n{}", &later[..later.len() - 3]));
        assert_eq!(read(&path).unwrap().unwrap().intent.posts, 1);
        let (_folder, path) = file(&LINE[..20]);
        assert!(read(&path).unwrap().is_none());
    }

    #[test]
    fn a_create_whose_process_still_runs_is_not_left() {
        let (_folder, path) = file(&format!("{LINE}\n"));
        let held = read(&path).unwrap();
        assert!(held.is_some() && read(&path).unwrap().is_none());
        drop(held);
        assert!(read(&path).unwrap().is_some());
    }
}
