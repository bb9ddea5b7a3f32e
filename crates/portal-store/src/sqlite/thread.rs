//! Threads of an engine.

use std::thread::{Builder, JoinHandle};

use crate::error::RegistryError;

/// Starts a thread.
///
/// # Errors
/// [`RegistryError::NotApplied`] if it can't be started.
pub(super) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, RegistryError> {
    Builder::new().name(format!("portal-store {name}")).spawn(work).map_err(|error| {
        RegistryError::NotApplied(format!("failed to start the {name} thread: {error}"))
    })
}

/// On drop, waits for the thread to end. Must be dropped after what the thread waits for.
pub(super) struct Joined(Option<JoinHandle<()>>);

impl Joined {
    pub(super) fn spawn(
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<Self, RegistryError> {
        spawn(name, work).map(Some).map(Self)
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        // If it has panicked, those that waited for it have noticed.
        let _ = self.0.take().map(JoinHandle::join);
    }
}
