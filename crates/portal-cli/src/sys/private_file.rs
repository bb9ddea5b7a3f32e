//! Files that only their owner can read, and that readers see whole.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;

use crate::sys::files;

/// Options that write to a file; one that they create is readable only by its owner.
pub(crate) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Replaces a file atomically. A new one is readable only by its owner; another one keeps its mode.
/// Symbolic links are followed. The caller excludes other writers.
pub(crate) fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let path = files::target(path);
    // A fixed name, so that killed processes leave at most one copy, which the next one replaces.
    let new = path.with_added_extension("new");
    let write = || {
        remove(&new)?;
        let mut file = options().create_new(true).open(&new)?;
        if let Ok(metadata) = fs::metadata(&path) {
            file.set_permissions(metadata.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    write()
        .inspect_err(|_| drop(remove(&new)))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Fails if users other than its owner can read a file with secrets.
pub(crate) fn refuse_if_others_can_read(path: &Path) -> anyhow::Result<()> {
    let Some(mode) = mode(path).filter(|mode| mode & 0o077 != 0) else { return Ok(()) };
    anyhow::bail!(
        "others can read {path} (mode {mode:04o}): run `chmod 600 {path}`, and make new secrets \
         if somebody may have read them",
        path = path.display()
    )
}

/// Fails if everybody can change a file or a directory that says where secrets are sent.
pub(crate) fn refuse_if_all_can_change(path: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(
        mode(path).is_none_or(|mode| mode & 0o002 == 0),
        "everybody on this machine can change {path}, and so where your secrets are sent: run \
         `chmod o-w {path}`",
        path = path.display()
    );
    Ok(())
}

/// The permissions of a file or a directory; not of a pipe or a device, such as `/dev/stdin`.
#[cfg(unix)]
pub(crate) fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;

    let metadata = fs::metadata(path).ok()?;
    let is_kept = metadata.is_file() || metadata.is_dir();
    is_kept.then(|| metadata.permissions().mode() & 0o777)
}

/// On Windows a user's own directory is closed to others.
#[cfg(not(unix))]
pub(crate) fn mode(_: &Path) -> Option<u32> {
    None
}
