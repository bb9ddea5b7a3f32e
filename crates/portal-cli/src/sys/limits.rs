//! Limits of this process: none of its secrets in core dumps, and enough open files.

use portal_http::server::raise_nofile_limit;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Disables core dumps, which would write the secrets in memory to a file, for this process and its
/// children. Failure is ignored: it leaves the system's default.
pub(crate) fn disable_core_dumps() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// Raises the soft limit of open files.
///
/// # Errors
/// The limit is too low for a connection beside the files: libraries panic where they don't expect it.
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
