//! `portal serve -- COMMAND`: a command that runs while the server does.

use std::env;
use std::ffi::OsString;
use std::io;
#[cfg(unix)]
use std::io::IsTerminal as _;
use std::process::ExitStatus;

use anyhow::anyhow;
use tokio::process::{Child, Command};

use crate::report::failure::Failure;
use crate::sys::signal::Kind;
use crate::terminal::printer::Printer;

/// Starts `command`, if there is one, with `variables` added to its environment.
pub(super) fn start(
    command: &[OsString],
    variables: Vec<(&'static str, String)>,
) -> io::Result<Option<Child>> {
    let Some((program, arguments)) = command.split_first() else { return Ok(None) };
    let mut command = Command::new(program);
    // What is there is for the server, or leads to another org, in which the command must not create
    // a portal. The state directory does neither.
    for (name, _) in env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PORTAL_") && name != "PORTAL_STATE_DIR" {
            command.env_remove(name);
        }
    }
    command.args(arguments).envs(variables).kill_on_drop(true).spawn().map(Some)
}

/// Reports why a command cannot run. Returns the status that a shell would.
pub(super) fn not_started(command: &[OsString], error: &io::Error, printer: &Printer) -> u8 {
    let program = command.first().map(OsString::as_os_str).unwrap_or_default().display();
    Failure::from(anyhow!("cannot run {program}: {error}")).print(printer);
    if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
}

/// Passes on what this process was sent. Ctrl-C on a terminal reaches the command by itself, which
/// decides what to do.
#[cfg(unix)]
pub(super) fn pass_on(child: &Child, kind: Kind) {
    use rustix::process::{Pid, Signal, kill_process};

    let signal = match kind {
        Kind::Interrupt if io::stdin().is_terminal() => return,
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

/// A console sends its events to every process that it has.
#[cfg(windows)]
pub(super) fn pass_on(_: &Child, _: Kind) {}

/// The status that a shell would report.
pub(super) fn status(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(u8::MAX);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
