//! Files that only their owner can read.

use std::path::Path;

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
pub(crate) fn refuse_if_others_can_read(_: &Path) -> anyhow::Result<()> {
    Ok(())
}
