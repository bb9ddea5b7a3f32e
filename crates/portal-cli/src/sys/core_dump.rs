//! Core dumps, which would have the secrets of a process in a file.

/// Turns them off for this process and what it starts. Where that fails, they are as before.
#[cfg(unix)]
pub(crate) fn disable() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// Windows writes none unless its registry says so.
#[cfg(not(unix))]
pub(crate) const fn disable() {}
