//! [`Joined`]: the threads of an engine.

use std::thread::{Builder, JoinHandle};

use crate::error::RegistryError;

/// A thread. On drop, waits for it to end: must be dropped after what the thread waits for.
pub(super) struct Joined(Option<JoinHandle<()>>);

impl Joined {
    /// Starts a thread.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`] if it can't be started.
    pub(super) fn spawn(
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<Self, RegistryError> {
        let started = Builder::new().name(format!("portal-store {name}")).spawn(work);
        started.map(|thread| Self(Some(thread))).map_err(|error| {
            RegistryError::NotApplied(format!("failed to start the {name} thread: {error}"))
        })
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        // If it has panicked, those that waited for it have noticed.
        let _ = self.0.take().map(JoinHandle::join);
    }
}
