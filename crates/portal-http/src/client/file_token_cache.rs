//! [`FileTokenCache`]: a token cache in a directory.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::token_cache::{CacheKey, CachedToken, TokenCache};

/// A directory with two files per credential: a lock, and the token, which only its owner can read
/// and which is replaced atomically. A file that is unreadable, or readable by others, counts as
/// empty.
#[derive(Clone, Debug)]
pub struct FileTokenCache {
    directory: PathBuf,
}

impl FileTokenCache {
    /// Uses `directory`, which is created when needed.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Removes the token of `key`, if there is one: of a credential that is no longer used.
    ///
    /// # Errors
    /// An error of the storage.
    pub fn remove(&self, key: &CacheKey) -> io::Result<()> {
        remove(&self.path(key, "json")).map_err(|error| self.named(&error))
    }

    fn path(&self, key: &CacheKey, extension: &str) -> PathBuf {
        self.directory.join(format!("{}.{extension}", key.as_str()))
    }

    fn open_lock(&self, key: &CacheKey) -> io::Result<File> {
        make_directory(&self.directory)?;
        private(OpenOptions::new().write(true).create(true).truncate(false))
            .open(self.path(key, "lock"))
    }

    fn replace(&self, key: &CacheKey, token: &CachedToken) -> io::Result<()> {
        // Nobody else writes this file, because the lock is held. Remove what a killed process
        // left: it may have a different mode.
        let new = self.path(key, "new");
        remove(&new)?;
        let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&new)?;
        file.write_all(&serde_json::to_vec(token)?)?;
        fs::rename(&new, self.path(key, "json"))
    }

    /// Adds the directory to the message of an error.
    fn named(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{}: {error}", self.directory.display()))
    }
}

impl TokenCache for FileTokenCache {
    type Lock = File;

    async fn load(&self, key: &CacheKey) -> io::Result<Option<CachedToken>> {
        let path = self.path(key, "json");
        let read = || {
            let mut file = File::open(&path)?;
            if is_open_to_others(&file)? {
                let path = path.display();
                tracing::warn!(%path, "ignoring a cached token that others can read");
                return Ok(None);
            }
            let mut text = Vec::new();
            file.read_to_end(&mut text)?;
            Ok(serde_json::from_slice(&text).ok())
        };
        read().or_else(|error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Ok(None),
            _ => Err(self.named(&error)),
        })
    }

    async fn lock(&self, key: &CacheKey) -> io::Result<File> {
        /// Longer than the holder of the lock needs to request a token.
        const LOCK_TIMEOUT: Duration = Duration::from_secs(60);
        const BETWEEN_TRIES: Duration = Duration::from_millis(10);
        let file = self.open_lock(key).map_err(|error| self.named(&error))?;
        let end = Instant::now() + LOCK_TIMEOUT;
        // Poll: a blocking lock would occupy a thread and delay the exit of the process.
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => return Err(self.named(&error)),
                Err(TryLockError::WouldBlock) if Instant::now() >= end => {
                    let error = "another process has been holding the lock for a minute";
                    return Err(self.named(&io::Error::new(io::ErrorKind::TimedOut, error)));
                }
                Err(TryLockError::WouldBlock) => sleep(BETWEEN_TRIES).await,
            }
        }
    }

    async fn store(&self, key: &CacheKey, token: &CachedToken) -> io::Result<()> {
        self.replace(key, token).map_err(|error| self.named(&error))
    }
}

/// Removes a file, which may be gone already.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether other users could read or write the token. On Windows a file inherits the permissions of
/// its directory, which is in the user's profile.
fn is_open_to_others(file: &File) -> io::Result<bool> {
    let permissions = file.metadata()?.permissions();
    #[cfg(unix)]
    let is_open = std::os::unix::fs::PermissionsExt::mode(&permissions) & 0o077 != 0;
    #[cfg(not(unix))]
    let (_, is_open) = (permissions, false);
    Ok(is_open)
}

fn make_directory(path: &Path) -> io::Result<()> {
    let mut directory = DirBuilder::new();
    directory.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut directory, 0o700);
    directory.create(path)
}

/// Creates files that only their owner can read.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}
