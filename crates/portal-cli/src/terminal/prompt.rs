//! Questions on a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::pin::pin;

use portal_http::client::Credential;
use portal_model::Secret;
use portal_model::neutral::printable;
use tokio::sync::oneshot;

use crate::report::failure::Failure;
use crate::report::wrap::fit;
use crate::sys::InvalidInput;
use crate::terminal::width;

/// How often a line can be mistyped.
const TRIES: u32 = 3;

/// Whether somebody can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Fails unless somebody can be asked. `why` names what has to be confirmed.
pub(crate) fn require_terminal(why: &str, hint: &str) -> Result<(), Failure> {
    if can_ask() {
        return Ok(());
    }
    Err(Failure::usage(format!("{why}, and there is no terminal to confirm it")).hint(hint))
}

/// Asks a yes-or-no question.
///
/// # Errors
/// There is no terminal: see [`require_terminal`].
pub(crate) fn confirm(question: &str, why: &str, hint: &str) -> Result<bool, Failure> {
    require_terminal(why, hint)?;
    show(&format!("{question} [y/N] "))?;
    let reply = read_line()?;
    Ok(matches!(reply.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Shows `facts`, then has `expected` typed: an irreversible act deserves more than a key. `what` is
/// what is typed, such as `the name`. Returns `false` if the user cancels, or once `interrupted` completes.
pub(crate) async fn confirm_by_typing(
    facts: &str,
    what: &str,
    expected: &str,
    interrupted: impl Future<Output = ()>,
) -> Result<bool, Failure> {
    let mut interrupted = pin!(interrupted);
    show(&format!("{facts}\n"))?;
    for _ in 0..TRIES {
        show(&format!("Type {what} to continue, or press Enter to cancel: "))?;
        let reply = tokio::select! {
            reply = read_line_aside() => reply?,
            () = &mut interrupted => {
                show("\n")?;
                return Ok(false);
            }
        };
        match reply.trim() {
            "" => return Ok(false),
            reply if reply == expected => return Ok(true),
            _ => show(&format!("That is not `{expected}`.\n"))?,
        }
    }
    Ok(false)
}

/// Asks for a text until `parse` accepts it. Enter alone stands for `default`.
///
/// # Errors
/// The last error of `parse`, or stdin has ended.
pub(crate) fn ask<T>(
    label: &str,
    default: Option<&str>,
    parse: impl Fn(&str) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let question = match default {
        Some(default) => format!("{label} [{default}]: "),
        None => format!("{label}: "),
    };
    let mut tries = 0;
    loop {
        tries += 1;
        show(&question)?;
        let reply = read_line()?;
        if reply.is_empty() {
            show("\n")?;
            return Err(Failure::cancelled("stdin has ended"));
        }
        let parsed = match (reply.trim(), default) {
            ("", Some(default)) => parse(default),
            (text, _) => parse(text),
        };
        match parsed {
            Err(failure) if tries < TRIES => show(&format!("{}\n", failure.report.message))?,
            parsed => return parsed,
        }
    }
}

/// Reads a part of a credential from a prompt without echo, or a line of stdin. `None` if it is empty.
///
/// # Errors
/// The terminal ended the input, or what it has is no such part.
pub(crate) fn read_secret(what: &'static str) -> Result<Option<Secret>, Failure> {
    let text = if io::stdin().is_terminal() {
        match rpassword::prompt_password(format!("The {what} (not echoed): ")) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Failure::cancelled("the terminal ended the input"));
            }
            text => text?,
        }
    } else {
        read_line()?
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    match Credential::part(what, &text) {
        Ok(part) => Ok(Some(Secret::new(part.to_owned()))),
        Err(invalid) => Err(Failure::usage(invalid.to_string())),
    }
}

/// Reads a line with its line break, or nothing at the end of stdin.
fn read_line() -> anyhow::Result<String> {
    let mut line = String::new();
    match io::stdin().read_line(&mut line) {
        // As PowerShell pipes and Notepad may save it.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(InvalidInput("stdin is not UTF-8".to_owned()).into())
        }
        read => Ok(read.map(|_| line)?),
    }
}

/// Reads a line on a thread of its own, which does not keep the process from ending.
async fn read_line_aside() -> anyhow::Result<String> {
    let (sender, line) = oneshot::channel();
    // Nobody waits for it after Ctrl-C.
    std::thread::spawn(move || drop(sender.send(read_line())));
    line.await.unwrap_or_else(|_| Ok(String::new()))
}

fn show(text: &str) -> io::Result<()> {
    let mut stderr = io::stderr();
    let end = if text.ends_with('\n') { "\n" } else { " " };
    write!(stderr, "{}{end}", fit(&printable(text.trim_end()), width::of_stderr()))?;
    stderr.flush()
}
