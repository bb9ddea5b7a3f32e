//! Limits of this process: none of its secrets in core dumps, and enough open files.

#[cfg(unix)]
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Disables core dumps, which would write the secrets in memory to a file, for this process and its
/// children. Failure is ignored: it leaves the system's default.
#[cfg(unix)]
pub(crate) fn disable_core_dumps() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// Raises the soft limit of open files, as far as that is needed and allowed.
///
/// # Errors
/// The hard limit is too low for one connection beside the files: the libraries panic where they don't
/// expect it.
#[cfg(unix)]
pub(crate) fn raise_open_files() -> anyhow::Result<()> {
    /// A batch has a connection for each request in flight, a server one for each client.
    const WANTED: u64 = 4096;
    const LEAST: u64 = 32;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(current) = current.filter(|current| *current < WANTED) else { return Ok(()) };
    let raised = maximum.map_or(WANTED, |maximum| maximum.min(WANTED));
    let is_raised = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }).is_ok();
    let limit = if is_raised { raised } else { current };
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
