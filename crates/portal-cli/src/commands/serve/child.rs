//! `portal serve -- COMMAND`: a command that runs while the server does.

use std::ffi::OsString;
use std::io;
use std::process::ExitStatus;

use tokio::process::{Child, Command};

use super::announce::LEADING;
#[cfg(unix)]
use super::signals::Kind;

/// Starts `command` with `variables` added to its environment.
pub(super) fn start(command: &[OsString], variables: &[(&str, &str)]) -> io::Result<Child> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::NotFound)?;
    let mut command = Command::new(program);
    // What is there leads to another org, in which the command must not create a portal.
    for name in LEADING {
        command.env_remove(name);
    }
    command
        .args(arguments)
        .envs(variables.iter().copied())
        // The server is known to be fast: what is in doubt is certain soon.
        .env("PORTAL_PROCESSING_TIME", "1s")
        .env("PORTAL_LIST_LAG", "0s")
        .kill_on_drop(true)
        .spawn()
}

/// The status that a shell reports of a command that it cannot run.
pub(super) fn status_of(error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
}

/// Passes on what this process was sent. Ctrl-C on a terminal reaches the command by itself.
#[cfg(unix)]
pub(super) fn pass_on(child: &Child, kind: Kind) {
    use rustix::process::{Pid, Signal, kill_process};

    let signal = match kind {
        // A command in the background of a shell ignores SIGINT.
        Kind::Interrupt | Kind::Terminate => Signal::TERM,
        Kind::Hangup => Signal::HUP,
    };
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(id) = id.and_then(Pid::from_raw) {
        // It may have ended at this moment.
        let _ = kill_process(id, signal);
    }
}

/// The status that a shell would report.
pub(super) fn status(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(u8::MAX);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
