//! `portal serve -- COMMAND`: a command that runs while the server does.

use std::ffi::OsString;
use std::process::ExitStatus;

use anyhow::Context as _;
use tokio::process::{Child, Command};

/// Starts `command` with `variables` added to its environment.
pub(super) fn start(command: &[OsString], variables: &[(&str, &str)]) -> anyhow::Result<Child> {
    let (program, arguments) = command.split_first().context("no command")?;
    let program_name = program.to_string_lossy().into_owned();
    Command::new(program)
        .args(arguments)
        .envs(variables.iter().copied())
        // The server is known to be fast: what is in doubt is certain soon.
        .env("PORTAL_PROCESSING_TIME", "1s")
        .env("PORTAL_LIST_LAG", "0s")
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {program_name}"))
}

/// Passes a request to end on. Ctrl-C on a terminal reaches the command by itself.
#[cfg(unix)]
pub(super) fn terminate(child: &Child) {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(id) = id.and_then(rustix::process::Pid::from_raw) {
        // It may have ended at this moment.
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    }
}

#[cfg(not(unix))]
pub(super) fn terminate(_child: &Child) {}

/// The status that a shell would report.
pub(super) fn status(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(u8::MAX);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
