//! Core dumps, which would write the secrets in memory to a file.

/// Disables core dumps for this process and its children. Failure is ignored: it leaves the
/// system's default.
#[cfg(unix)]
pub(crate) fn disable() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// Windows writes none unless its registry enables them.
#[cfg(not(unix))]
pub(crate) const fn disable() {}
