//! Files that arguments name: which of them are one file, and a result written to one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::sys::{InvalidInput, directories};

/// Fails if two of the files are one, under whatever names: links count as what they lead to. Each
/// comes with the words for it, such as `--report`. `-` is no file.
pub(crate) fn refuse_same(files: &[(&str, &Path)]) -> Result<(), InvalidInput> {
    let files: Vec<_> = files.iter().filter(|(_, path)| *path != Path::new("-")).collect();
    for (index, (what, path)) in files.iter().enumerate() {
        if let Some((earlier, _)) = files.iter().take(index).find(|(_, other)| is_same(path, other))
        {
            let path = path.display();
            return Err(InvalidInput(format!("{earlier} and {what} are the same file: {path}")));
        }
    }
    Ok(())
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        // A device can be read and written at once.
        (Ok(found), Ok(_)) if !found.is_file() && !found.is_dir() => false,
        // Opening them would tell as well, and wait for the other end of a FIFO.
        #[cfg(unix)]
        (Ok(one), Ok(other)) => {
            use std::os::unix::fs::MetadataExt as _;
            (one.dev(), one.ino()) == (other.dev(), other.ino())
        }
        #[cfg(windows)]
        (Ok(_), Ok(_)) => same_file::is_same_file(one, other).is_ok_and(|is_same| is_same),
        _ => resolved(one).is_some_and(|one| resolved(other) == Some(one)),
    }
}

/// The path without links, also of a file that does not exist yet.
fn resolved(path: &Path) -> Option<PathBuf> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = || fs::canonicalize(directory.unwrap_or(Path::new("."))).ok();
    fs::canonicalize(path).ok().or_else(|| Some(directory()?.join(path.file_name()?)))
}

/// The path of the file that a path leads to, which may not exist yet.
pub(crate) fn target(path: &Path) -> PathBuf {
    let link = || Some(path.parent()?.join(fs::read_link(path).ok()?));
    fs::canonicalize(path).ok().or_else(link).unwrap_or_else(|| path.to_owned())
}

/// A file for a result. It is opened before anything is done that needs it, and written at the end: where
/// links lead, in place, so that modes, devices and FIFOs stay what they are.
#[derive(Debug)]
pub(crate) struct OutputFile {
    path: PathBuf,
    file: File,
}

impl OutputFile {
    /// Opens or creates the file, and keeps its content.
    ///
    /// # Errors
    /// It can't be written to, is one of this program's own, or `-`, which elsewhere is no file.
    pub(crate) fn open(path: &Path) -> Result<Self, InvalidInput> {
        if path == Path::new("-") {
            return Err(InvalidInput("expected a file, such as /dev/stdout, found -".to_owned()));
        }
        let found = resolved(path);
        let is_in = |own: PathBuf| {
            let own = fs::canonicalize(own).ok();
            own.zip(found.as_ref()).is_some_and(|(own, found)| found.starts_with(own))
        };
        if directories::all().into_iter().any(is_in) {
            let message = format!("{} is in a directory of portal's own files", path.display());
            return Err(InvalidInput(message));
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let unusable = |error| InvalidInput(format!("cannot write {}: {error}", path.display()));
        Ok(Self { path: path.to_owned(), file: file.map_err(unusable)? })
    }

    /// Replaces the content.
    pub(crate) fn write(mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut write = || -> io::Result<()> {
            if self.file.metadata()?.is_file() {
                self.file.set_len(0)?;
            }
            self.file.write_all(bytes)?;
            self.file.flush()
        };
        write().map_err(|error| anyhow::anyhow!("cannot write {}: {error}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn one_file_under_two_names_is_refused() {
        let directory = TempDir::new().unwrap();
        let path = |name: &str| directory.path().join(name);
        let (one, other) = (path("p.csv"), path("r.csv"));
        let check = |one: &Path, other: &Path| refuse_same(&[("FILE", one), ("--report", other)]);
        assert_eq!(check(&one, &other), Ok(()), "neither exists");
        assert!(check(&one, &path("./p.csv")).is_err(), "neither exists");
        fs::write(&one, "profile,name\n").unwrap();
        assert_eq!(check(&one, &other), Ok(()));
        let twice = check(&one, &path("./p.csv")).unwrap_err().to_string();
        assert!(twice.starts_with("FILE and --report are the same file: "), "{twice}");
        fs::hard_link(&one, &other).unwrap();
        assert!(check(&one, &other).is_err(), "a hard link");
        assert_eq!(check(Path::new("-"), Path::new("-")), Ok(()), "stdin and stdout");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_devices_are_not_files() {
        use std::os::unix::fs::symlink;
        let directory = TempDir::new().unwrap();
        let (one, link) = (directory.path().join("p.csv"), directory.path().join("l.csv"));
        fs::write(&one, "").unwrap();
        symlink(&one, &link).unwrap();
        assert!(refuse_same(&[("FILE", &one), ("--report", &link)]).is_err());
        let null = Path::new("/dev/null");
        assert_eq!(refuse_same(&[("FILE", null), ("--report", null)]), Ok(()));
    }

    #[cfg(unix)]
    #[test]
    fn output_keeps_mode_link_and_device() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let directory = TempDir::new().unwrap();
        let (target, link) = (directory.path().join("r.csv"), directory.path().join("l.csv"));
        fs::write(&target, "a longer content than the new one").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&target, &link).unwrap();
        let output = OutputFile::open(&link).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap().len(), 33, "kept until it is written");
        output.write(b"short").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "short");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        OutputFile::open(Path::new("/dev/null")).unwrap().write(b"gone").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let error = OutputFile::open(&directory.path().join("no/r.csv")).unwrap_err();
        assert!(error.to_string().contains("no/r.csv"), "{error}");
    }
}
