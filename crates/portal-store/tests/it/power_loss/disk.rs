//! [`Disk`]: the possible contents of a disk after a power loss, given what was synced.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The unit that a disk writes atomically.
const SECTOR: usize = 512;

/// An operation of a process on a file or directory; see `record.c`.
#[derive(Debug)]
pub(super) enum Operation {
    Create,
    Write { offset: usize, data: Vec<u8> },
    Truncate { size: usize },
    Sync,
    Remove,
    Rename { to: PathBuf },
    MakeDirectory,
}

/// Parses a recording, in order.
pub(super) fn read(log: &[u8]) -> Vec<(PathBuf, Operation)> {
    let mut rest = log;
    let mut take = |size: usize| {
        let (taken, left) = rest.split_at_checked(size)?;
        rest = left;
        Some(taken)
    };
    let mut operations = Vec::new();
    // The last operation is truncated if the process was killed.
    while let Some(head) = take(19) {
        let length = u16::from_ne_bytes(head[1..3].try_into().unwrap()).into();
        let number = |at: usize| -> usize {
            u64::from_ne_bytes(head[at..at + 8].try_into().unwrap()).try_into().unwrap()
        };
        let (offset, size, kind) = (number(3), number(11), head[0]);
        let (Some(path), Some(data)) = (take(length), take(size)) else { break };
        let path = PathBuf::from(str::from_utf8(path).unwrap());
        let operation = match kind {
            b'C' => Operation::Create,
            b'W' => Operation::Write { offset, data: data.to_vec() },
            b'T' => Operation::Truncate { size: offset },
            b'S' => Operation::Sync,
            b'U' => Operation::Remove,
            b'R' => Operation::Rename { to: PathBuf::from(str::from_utf8(data).unwrap()) },
            b'D' => Operation::MakeDirectory,
            other => panic!("{other}"),
        };
        operations.push((path, operation));
    }
    operations
}

/// Files as the process sees them and as they are guaranteed to be on disk.
#[derive(Default)]
pub(super) struct Disk {
    files: Vec<File>,
    /// `None` is a directory.
    names: BTreeMap<PathBuf, Option<usize>>,
    synced_names: BTreeMap<PathBuf, Option<usize>>,
}

#[derive(Default)]
struct File {
    synced: Vec<u8>,
    /// Changes that are not synced; any part of them may be on disk.
    pending: Vec<Change>,
}

enum Change {
    Write { offset: usize, data: Vec<u8> },
    Truncate { size: usize },
}

impl Disk {
    pub(super) fn apply(&mut self, path: &Path, operation: &Operation) {
        let change = match operation {
            Operation::Create => {
                self.files.push(File::default());
                self.names.insert(path.to_owned(), Some(self.files.len() - 1));
                return;
            }
            Operation::MakeDirectory => {
                self.names.insert(path.to_owned(), None);
                return;
            }
            Operation::Remove => {
                self.names.remove(path);
                return;
            }
            Operation::Rename { to } => {
                let file = self.names.remove(path).unwrap();
                self.names.insert(to.clone(), file);
                return;
            }
            Operation::Sync => return self.sync(path),
            Operation::Write { offset, data } => {
                Change::Write { offset: *offset, data: data.clone() }
            }
            Operation::Truncate { size } => Change::Truncate { size: *size },
        };
        let file = self.names[path].unwrap();
        self.files[file].pending.push(change);
    }

    fn sync(&mut self, path: &Path) {
        if let Some(Some(file)) = self.names.get(path) {
            let File { synced, pending } = &mut self.files[*file];
            for change in pending.drain(..) {
                apply(synced, &change, |_| true);
            }
            return;
        }
        let is_in_it = |name: &Path| name.parent() == Some(path);
        self.synced_names.retain(|name, _| !is_in_it(name));
        let names = self.names.iter().filter(|(name, _)| is_in_it(name));
        self.synced_names.extend(names.map(|(name, file)| (name.clone(), *file)));
    }

    /// Writes a possible content of `from` after a power loss to `to`: everything synced, and of
    /// the rest whatever `choose` picks.
    pub(super) fn write(&self, from: &Path, to: &Path, mut choose: impl FnMut() -> bool) {
        let mut names = self.synced_names.clone();
        for (name, file) in &self.names {
            if names.get(name) != Some(file) && choose() {
                names.insert(name.clone(), *file);
            }
        }
        for name in self.synced_names.keys() {
            if !self.names.contains_key(name) && choose() {
                names.remove(name);
            }
        }
        // Sorted by path, so that a directory precedes its entries.
        for (name, file) in names {
            let target = to.join(name.strip_prefix(from).unwrap());
            if !target.parent().unwrap().exists() {
                continue;
            }
            let Some(file) = file else {
                fs::create_dir(target).unwrap();
                continue;
            };
            let File { synced, pending } = &self.files[file];
            let mut content = synced.clone();
            for change in pending {
                apply(&mut content, change, |_| choose());
            }
            fs::write(target, content).unwrap();
        }
    }
}

/// Applies the sectors of a change that `choose` picks.
fn apply(content: &mut Vec<u8>, change: &Change, mut choose: impl FnMut(usize) -> bool) {
    match change {
        Change::Truncate { size } => {
            if choose(0) {
                content.resize(*size, 0);
            }
        }
        Change::Write { offset, data } => {
            let mut start = 0;
            while start < data.len() {
                let at = offset + start;
                let end = data.len().min(start + SECTOR - at % SECTOR);
                if choose(at / SECTOR) {
                    let piece = &data[start..end];
                    if content.len() < at + piece.len() {
                        content.resize(at + piece.len(), 0);
                    }
                    content[at..at + piece.len()].copy_from_slice(piece);
                }
                start = end;
            }
        }
    }
}
