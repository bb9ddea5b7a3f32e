//! `portal serve -- COMMAND`: a command that runs while the server does.
//!
//! On Linux it ends with the server even if that is killed: `portal` starts itself, asks the kernel to
//! be killed when its parent ends, and becomes the command. Only the command itself is killed, not what
//! it has started, and not one that runs with more rights than `portal`, such as `sudo`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
#[cfg(unix)]
use std::io::IsTerminal as _;
use std::process::ExitStatus;

use anyhow::anyhow;
use portal_model::neutral::shell_word;
use tokio::process::{Child, Command};

#[cfg(target_os = "linux")]
use crate::report::failure::ExitClass;
use crate::report::failure::Failure;
use crate::sys::signal::Kind;
use crate::terminal::printer::Printer;

/// Starts `command`, if there is one, with `variables` added to its environment.
pub(super) fn start(
    command: &[OsString],
    variables: Vec<(&'static str, String)>,
    printer: &Printer,
) -> io::Result<Option<Child>> {
    let Some((program, arguments)) = command.split_first() else { return Ok(None) };
    let mut command = self::command(program, arguments, printer)?;
    // What is there is for the server, or leads to another org, in which the command must not create
    // a portal. The state directory does neither.
    for (name, _) in env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PORTAL_") && name != "PORTAL_STATE_DIR" {
            command.env_remove(name);
        }
    }
    command.envs(variables).kill_on_drop(true).spawn().map(Some)
}

/// What becomes `program`.
#[cfg(target_os = "linux")]
fn command(program: &OsStr, arguments: &[OsString], printer: &Printer) -> io::Result<Command> {
    let mut tethered = Command::new(env::current_exe()?);
    // It may have an error to report.
    tethered.args(["--output", if printer.is_json() { "json" } else { "text" }]);
    tethered.args(["serve", "tethered", &std::process::id().to_string(), "--"]);
    tethered.arg(program).args(arguments);
    Ok(tethered)
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "the signature of the other one")]
fn command(program: &OsStr, arguments: &[OsString], _: &Printer) -> io::Result<Command> {
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

/// Becomes `command`, which is killed when the process `server` ends. Returns the status of a failure.
#[cfg(target_os = "linux")]
pub(super) fn become_program(server: i32, command: &[OsString], printer: &Printer) -> u8 {
    use std::os::unix::process::CommandExt as _;

    use rustix::process::{Signal, getppid, set_parent_process_death_signal};

    // Of the thread that started this process, which is the main thread of the server. The server may
    // have ended before.
    let tethered = set_parent_process_death_signal(Some(Signal::KILL));
    if tethered.is_ok() && getppid().map(|parent| parent.as_raw_nonzero().get()) != Some(server) {
        return ExitClass::Stopped as u8;
    }
    // Without one there is nothing to become.
    let Some((program, arguments)) = command.split_first() else { return ExitClass::Invalid as u8 };
    let error = std::process::Command::new(program).args(arguments).exec();
    not_started(command, &error, printer)
}

/// Reports why a command cannot run. Returns the status that a shell would.
pub(super) fn not_started(command: &[OsString], error: &io::Error, printer: &Printer) -> u8 {
    let program = command.first().map(OsString::as_os_str).unwrap_or_default();
    let program = shell_word(&program.to_string_lossy()).into_owned();
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
