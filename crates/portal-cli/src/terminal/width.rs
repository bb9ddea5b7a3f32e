//! How many columns a line of text can have.

use std::io;

use terminal_size::{Height, Width, terminal_size_of};

/// Where there is no terminal.
const DEFAULT: usize = 80;
/// Longer lines are hard to read, however wide a terminal is.
const MAX: usize = 120;
/// Narrower terminals break lines themselves.
const MIN: usize = 20;

/// Those of a row of a table: all that the terminal has. `None` if stdout is not a terminal: its lines stay
/// whole.
pub(crate) fn of_rows() -> Option<usize> {
    terminal_size_of(io::stdout()).map(|(Width(columns), _)| usize::from(columns))
}

pub(crate) fn of_stdout() -> usize {
    columns(terminal_size_of(io::stdout()))
}

pub(crate) fn of_stderr() -> usize {
    columns(terminal_size_of(io::stderr()))
}

fn columns(size: Option<(Width, Height)>) -> usize {
    size.map_or(DEFAULT, |(Width(columns), _)| usize::from(columns).clamp(MIN, MAX))
}
