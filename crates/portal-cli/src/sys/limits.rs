//! Limits of this process: none of its secrets in core dumps, and enough open files.

#[cfg(unix)]
use portal_http::server::raise_nofile_limit;
#[cfg(unix)]
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Disables core dumps, which would write the secrets in memory to a file, for this process and its
/// children. Failure is ignored: it leaves the system's default.
#[cfg(unix)]
pub(crate) fn disable_core_dumps() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// Raises the soft limit of open files.
///
/// # Errors
/// The limit is too low for a connection beside the files: libraries panic where they don't expect it.
#[cfg(unix)]
pub(crate) fn raise_open_files() -> anyhow::Result<()> {
    const LEAST: u64 = 32;
    let _ = raise_nofile_limit();
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(LEAST);
    anyhow::ensure!(
        limit >= LEAST,
        "this process may open {limit} files, expected at least {LEAST}: raise the limit, as \
         `ulimit -n` does"
    );
    Ok(())
}

/// Windows writes none unless its registry enables them.
#[cfg(not(unix))]
pub(crate) const fn disable_core_dumps() {}

/// Windows has no such limit.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the signature of the other one")]
pub(crate) fn raise_open_files() -> anyhow::Result<()> {
    Ok(())
}
