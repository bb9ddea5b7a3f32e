//! Caches which org a credential belongs to, so that the service is asked only once.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::org::identity::Identity;
use crate::sys::directories;

/// One file per credential, next to the token cache, named by the credential's fingerprint. Without
/// the directory, the service is asked every time.
#[derive(Debug)]
pub(crate) struct IdentityCache {
    directory: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct Cached {
    /// The identity before the service was asked; a different API host makes it a different one.
    declared: Identity,
    identity: Identity,
}

impl IdentityCache {
    pub(crate) fn new() -> Self {
        Self { directory: directories::tokens().map(|tokens| tokens.with_file_name("orgs")) }
    }

    pub(crate) fn load(&self, declared: &Identity) -> Option<Identity> {
        let text = fs::read(self.path(declared)?).ok()?;
        let cached: Cached = serde_json::from_slice(&text).ok()?;
        (cached.declared == *declared).then_some(cached.identity)
    }

    /// Stores an identity. If that fails, the service is asked again next time.
    pub(crate) fn store(&self, declared: &Identity, identity: &Identity) {
        let cached = Cached { declared: declared.clone(), identity: identity.clone() };
        let write = || {
            let (directory, path) = (self.directory.as_ref()?, self.path(declared)?);
            directories::make_private(directory).ok()?;
            let mut file = tempfile::NamedTempFile::new_in(directory).ok()?;
            file.write_all(&serde_json::to_vec(&cached).ok()?).ok()?;
            file.persist(path).ok()
        };
        if write().is_none() {
            tracing::debug!("the identity of the org is not cached");
        }
    }

    fn path(&self, declared: &Identity) -> Option<PathBuf> {
        let name = format!("{}.json", declared.fingerprint());
        self.directory.as_ref().map(|directory| directory.join(name))
    }
}
