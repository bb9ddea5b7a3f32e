//! One create at a time in an org: [`OrgLock`] (rule 11).

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use crate::org::identity::Identity;

/// Held while a create is under way in an org. The end of the process releases it in any case.
#[derive(Debug)]
pub(crate) struct OrgLock(#[expect(dead_code, reason = "held, never read")] Vec<File>);

impl OrgLock {
    /// Takes the lock, or gives `None` if another create holds it.
    ///
    /// Identities of one org may agree by credential or by org id only, so there is a lock for
    /// either. Taken in one order they cannot deadlock, and neither waits while it holds another.
    pub(super) fn try_new(directory: &Path, identity: &Identity) -> io::Result<Option<Self>> {
        let mut files = Vec::new();
        for tag in identity.tags() {
            let path = directory.join(format!("{tag}.lock"));
            let file = File::options().write(true).create(true).truncate(false).open(path)?;
            match file.try_lock() {
                Ok(()) => files.push(file),
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(Some(Self(files)))
    }
}
