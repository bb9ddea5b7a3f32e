//! All output of the command: [`Printer`] owns stdout and stderr.
//!
//! Results go to stdout, as text or as one JSON object per line. Errors, hints, warnings and
//! progress go to stderr.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use anstream::ColorChoice;
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use portal_model::neutral::{cut, escaped, printable, printable_line};
use serde::Serialize;
use textwrap::core::display_width;

use crate::report::failure::{ErrorReport, ExitClass};
use crate::report::wrap::{aligned, fit};
use crate::terminal::width;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// The format of results on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    #[default]
    Text,
    Json,
}

/// Colors text on stderr, of this process. `Auto` does on a terminal, unless `NO_COLOR` is set.
pub(crate) fn color(when: clap::ColorChoice) {
    match when {
        clap::ColorChoice::Auto => ColorChoice::Auto,
        clap::ColorChoice::Always => ColorChoice::Always,
        clap::ColorChoice::Never => ColorChoice::Never,
    }
    .write_global();
}

/// The only way to stdout and stderr. Colors are left out if the stream is not a terminal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Printer {
    output: Output,
    /// Whether notes and progress are left out.
    pub(crate) is_quiet: bool,
    /// Whether each request is shown.
    pub(crate) is_verbose: bool,
    /// Why stdout takes no more results.
    stdout_failed: Arc<Mutex<Option<io::Error>>>,
    /// The progress bars on stderr, which step aside for a line.
    bars: MultiProgress,
}

impl Printer {
    pub(crate) fn new(output: Output, is_quiet: bool) -> Self {
        Self { output, is_quiet, ..Self::default() }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    /// A result: `text` for people, `json` for machines.
    pub(crate) fn result(&self, text: impl Display, json: &impl Serialize) {
        self.text(text);
        self.json(json);
    }

    /// Lines of a result, for people only.
    pub(crate) fn text(&self, text: impl Display) {
        self.lines(text, io::stdout().is_terminal().then(width::of_stdout));
    }

    fn lines(&self, text: impl Display, columns: Option<usize>) {
        if !self.is_json() {
            self.write(&format!("{}\n", readable(text, columns)));
        }
    }

    /// A line of a result, for machines only.
    pub(crate) fn json(&self, json: &impl Serialize) {
        if self.is_json() {
            match json_line(json) {
                Ok(line) => self.write(&(line + "\n")),
                Err(error) => self.warning(format_args!("cannot print a result as JSON: {error}")),
            }
        }
    }

    /// Prints each row as a line of aligned cells, or as its object.
    pub(crate) fn table<const N: usize, T: Serialize>(
        &self,
        rows: impl IntoIterator<Item = ([String; N], T)>,
    ) {
        self.annotated_table(rows.into_iter().map(|(cells, object)| (cells, None, object)));
    }

    /// The same with a text below a row. On a narrow terminal the last cell is below the others too.
    pub(crate) fn annotated_table<const N: usize, T: Serialize>(
        &self,
        rows: impl IntoIterator<Item = ([String; N], Option<String>, T)>,
    ) {
        const INDENT: usize = 4;
        let rows = rows.into_iter().map(|(cells, below, object)| (cells, (None, below, object)));
        let (mut cells, mut rest): (Vec<_>, Vec<_>) = rows.unzip();
        let mut lines = aligned(cells.clone());
        let columns = width::of_rows();
        let fits = |line: &String| columns.is_none_or(|columns| display_width(line) <= columns);
        if !lines.iter().all(fits) {
            for (cells, (last, ..)) in cells.iter_mut().zip(&mut rest) {
                *last = cells.last_mut().map(mem::take).filter(|cell| !cell.is_empty());
            }
            lines = aligned(cells);
        }
        for (line, (last, below, object)) in lines.into_iter().zip(rest) {
            let below = [last, below].into_iter().flatten();
            let below = below.map(|text| format!("\n{:INDENT$}{}", "", printable_line(&text)));
            self.lines(line + &below.collect::<String>(), columns);
            self.json(&object);
        }
    }

    /// Text that is the result in either format, such as a script.
    pub(crate) fn write(&self, text: &str) {
        let mut failed = self.stdout_failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.is_none() {
            *failed = self.bars.suspend(|| {
                // Not by `anstream`, which takes DEL out of JSON: nothing here is styled.
                let mut stdout = io::stdout().lock();
                stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).err()
            });
        }
        // What stdout does not take must not get lost, unless a reader closed the pipe on purpose.
        if failed.as_ref().is_some_and(|error| !is_closed(error)) {
            self.stderr(text.trim_end());
        }
    }

    /// `error: …`, and its hint if it has one.
    pub(crate) fn error(&self, report: &ErrorReport) {
        self.labelled("error:", ERROR, &report.message);
        if let Some(hint) = &report.hint {
            self.hint(hint);
        }
    }

    pub(crate) fn warning(&self, text: impl Display) {
        self.labelled("warning:", WARNING, text);
    }

    pub(crate) fn hint(&self, text: impl Display) {
        self.labelled("hint:", HINT, text);
    }

    /// Lines on stderr without a label.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.is_quiet {
            self.stderr(on_stderr(text));
        }
    }

    fn labelled(&self, label: &str, style: Style, text: impl Display) {
        // Only a label begins at the margin, so that no text can forge a line of its own.
        let text = cut(&text.to_string()).replace('\n', "\n  ").replace("\n    ", "\n  ");
        let line = on_stderr(format_args!("{label} {text}"));
        let text = line.strip_prefix(label).unwrap_or(&line);
        self.stderr(format_args!("{style}{label}{style:#}{text}"));
    }

    /// A line on stderr with colors, whose texts are [`printable`] already.
    pub(crate) fn stderr(&self, line: impl Display) {
        // One write, so that the lines of two processes don't mix. If stderr fails there is no
        // place left to report it.
        let line = format!("{line}\n");
        let _ = self.bars.suspend(|| anstream::stderr().lock().write_all(line.as_bytes()));
    }

    /// A place on stderr that is redrawn and steps aside for a line, if stderr is a terminal that
    /// can redraw. `template` is one of [`ProgressStyle`].
    pub(crate) fn live(&self, template: &str) -> Option<ProgressBar> {
        let can_redraw = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        if !can_redraw || !io::stderr().is_terminal() {
            return None;
        }
        if self.is_quiet {
            return Some(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        Some(self.bars.add(ProgressBar::new(0).with_style(style)))
    }

    /// Whether stdout took every result so far. A closed pipe did not: nobody read the outcome, and
    /// the next run reports it again.
    pub(crate) fn is_delivered(&self) -> bool {
        self.stdout_failed.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// The exit status in the end: another one if a result could not be written. Who closed a pipe
    /// on purpose, such as `head`, gets no message.
    pub(crate) fn finish(&self, exit: ExitClass) -> ExitClass {
        let failed = self.stdout_failed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(error) = failed.as_ref() else { return exit };
        if !is_closed(error) {
            self.warning(format_args!("cannot write to stdout: {error}"));
        }
        ExitClass::Io
    }
}

/// A JSON object in one line, harmless for a terminal.
pub(crate) fn json_line(json: &impl Serialize) -> serde_json::Result<String> {
    Ok(escaped(&serde_json::to_string(json)?))
}

fn on_stderr(text: impl Display) -> String {
    readable(text, io::stderr().is_terminal().then(width::of_stderr))
}

/// Long lines are wrapped on a terminal of so many columns, and stay whole in a file, where they are
/// searched.
fn readable(text: impl Display, columns: Option<usize>) -> String {
    let text = printable(&text.to_string());
    match columns {
        Some(columns) => fit(&text, columns),
        None => text,
    }
}

fn is_closed(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}
