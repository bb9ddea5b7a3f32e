//! Files that only their owner can read.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

/// Options that write to a file; one that they create is readable only by its owner.
pub(crate) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Writes a temporary file beside `path`, readable only by its owner, to be persisted there: readers
/// see it whole or not at all.
pub(crate) fn new_beside(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut file = NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Fails if users other than its owner can read a file with secrets.
#[cfg(unix)]
pub(crate) fn refuse_if_others_can_read(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let Ok(metadata) = std::fs::metadata(path) else { return Ok(()) };
    let mode = metadata.permissions().mode() & 0o777;
    let others = mode & 0o077;
    anyhow::ensure!(
        others == 0,
        "others can read {path} (mode {mode:04o}): run `chmod 600 {path}`, and make new secrets \
         if somebody may have read them",
        path = path.display()
    );
    Ok(())
}

/// On Windows a user's own directory is closed to others.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the signature of the other one")]
pub(crate) fn refuse_if_others_can_read(_: &Path) -> anyhow::Result<()> {
    Ok(())
}
