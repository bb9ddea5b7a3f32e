//! One create at a time in an org: [`OrgLock`] (rule 11).

use std::fs::File;
use std::io;
use std::path::Path;

use crate::org::identity::{self, Identity};
use crate::sys::private_file::is_free;

/// Held during a create in an org. The end of the process releases it.
#[derive(Debug)]
pub(crate) struct OrgLock(#[expect(dead_code, reason = "held, never read")] Vec<File>);

impl OrgLock {
    /// Tries to lock the org. Returns `None` if another create holds the lock.
    ///
    /// Two identities of one org may share only the credential or only the org id, so there is a
    /// lock for each. They are taken in a fixed order without waiting, so they cannot deadlock.
    pub(super) fn try_new(directory: &Path, identity: &Identity) -> io::Result<Option<Self>> {
        let mut files = Vec::new();
        for tag in identity::tags(identity) {
            let path = directory.join(format!("{tag}.lock"));
            let file = File::options().write(true).create(true).truncate(false).open(path)?;
            if !is_free(file.try_lock())? {
                return Ok(None);
            }
            files.push(file);
        }
        Ok(Some(Self(files)))
    }
}
