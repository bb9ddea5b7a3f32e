//! Opens the file of a journal safely.

use std::fs::{self, File, Metadata};
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::sys::private_file;

/// Opens or creates the file at `path`, accessible only by this user. It must be a regular file,
/// because a pipe or device would store nothing. Links are followed only if the user named the
/// path.
pub(super) fn open(path: &Path, follows_links: bool) -> anyhow::Result<File> {
    // Another process may create or remove it at the same time.
    const TRIES: u32 = 3;
    let shown = path.display();
    for _ in 0..TRIES {
        let before = if follows_links { fs::metadata(path) } else { fs::symlink_metadata(path) };
        let mut options = private_file::options();
        options.read(true);
        let expected = match before {
            Ok(before) if before.is_file() => Some(before),
            Ok(_) => bail!("the journal {shown} is not a regular file"),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                options.create_new(true);
                None
            }
            Err(error) => return Err(error).with_context(|| format!("cannot open {shown}")),
        };
        match options.open(path) {
            Ok(file) => {
                let after = file.metadata()?;
                if expected.is_none_or(|before| is_same(&before, &after)) {
                    return Ok(file);
                }
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot open the journal {shown}"));
            }
        }
    }
    bail!("cannot open the journal {shown}: another file keeps taking its place")
}

/// Whether the opened file is the one that was checked.
#[cfg(unix)]
fn is_same(before: &Metadata, after: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (before.dev(), before.ino()) == (after.dev(), after.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, after: &Metadata) -> bool {
    after.is_file()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn new_journal_is_closed_to_other_users() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.jsonl");
        let mode = open(&path, false).unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(open(&path, false).is_ok(), "an existing one opens");
    }

    #[test]
    fn links_are_followed_only_if_named() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (directory.path().join("target"), directory.path().join("link"));
        fs::write(&target, "").unwrap();
        symlink(&target, &link).unwrap();
        assert!(open(&link, true).is_ok());
        let error = open(&link, false).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
        fs::remove_file(&target).unwrap();
        assert!(open(&link, true).is_err(), "a link that leads nowhere");
        assert!(!target.exists());
    }

    #[test]
    fn pipe_and_device_are_refused_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [pipe.as_path(), Path::new("/dev/null"), directory.path()] {
            let error = open(path, true).unwrap_err().to_string();
            assert!(error.contains("not a regular file"), "{error}");
        }
    }
}
