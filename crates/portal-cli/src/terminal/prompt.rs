//! Asks for a confirmation.

use std::io::{IsTerminal as _, Write as _};

use crate::report::failure::Failure;

/// Asks `question`. `why` says what nobody is asked about if stdin or stderr is not a terminal;
/// then it is an error.
pub(crate) fn confirm(question: &str, why: &str, hint: &str) -> Result<bool, Failure> {
    let mut stderr = std::io::stderr();
    if !std::io::stdin().is_terminal() || !stderr.is_terminal() {
        return Err(
            Failure::usage(format!("{why}, and there is no terminal to confirm it")).hint(hint)
        );
    }
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut reply = String::new();
    std::io::stdin().read_line(&mut reply)?;
    Ok(matches!(reply.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Asks, since a create cannot be undone. Without a terminal nothing is sent.
pub(crate) fn confirm_create(question: &str) -> Result<bool, Failure> {
    confirm(
        question,
        "a portal can never be deleted",
        "pass `--yes` to confirm; `--dry-run` prints what would be sent",
    )
}
