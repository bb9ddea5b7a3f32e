//! Limits of this process: none of its secrets in core dumps, and enough open files.

use portal_http::server::raise_nofile_limit;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

/// Disables core dumps, which would write the secrets in memory to a file, for this process and its
/// children. Failure is ignored: it leaves the system's default.
pub(crate) fn disable_core_dumps() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// Makes a write beyond the limit of file sizes an error, as on a full disk, instead of the end of the process:
/// a signal that has a handler does no more. In a runtime only.
pub(crate) fn survive_file_size_limit() {
    let _ = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()));
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
