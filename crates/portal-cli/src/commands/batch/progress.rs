//! The progress of a batch, on stderr: a bar on a terminal, else a line for each row that ends.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::batch::in_flight::InFlight;
use crate::batch::result::{RowResult, Verdict};
use crate::report::activity;
use crate::terminal::printer::Printer;

/// Shows how far a batch is.
pub(super) struct Progress<'a> {
    /// Absent if stderr is not a terminal.
    bar: Option<ProgressBar>,
    rows: usize,
    over: usize,
    failed: usize,
    ticks: Interval,
    printer: &'a Printer,
}

impl<'a> Progress<'a> {
    pub(super) fn new(rows: usize, printer: &'a Printer) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:16} {pos}/{len}  {wide_msg}");
            printer
                .bar(rows as u64)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        let mut ticks = interval(Duration::from_millis(100));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self { bar, rows, over: 0, failed: 0, ticks, printer }
    }

    /// A row has ended.
    pub(super) fn over(&mut self, result: &RowResult) {
        self.over += 1;
        self.failed += usize::from(result.verdict() != Verdict::Done);
        match &self.bar {
            Some(bar) => bar.inc(1),
            None if self.printer.is_json() => {}
            None => self.printer.note(line(self.over, self.rows, result)),
        }
    }

    /// Waits a moment, then shows what is in flight.
    pub(super) async fn tick(&mut self, in_flight: &InFlight) {
        self.ticks.tick().await;
        if let Some(bar) = &self.bar {
            bar.set_message(message(self.failed, in_flight));
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `[3/50] created: acme AcmePortal`
fn line(over: usize, rows: usize, result: &RowResult) -> String {
    let report = &result.report;
    let profile = report.profile.as_deref().unwrap_or_default();
    format!("[{over}/{rows}] {}: {profile} {}", report.outcome, report.name)
}

/// `2 failed, 16 waiting; acme: response lost; verifying`
fn message(failed: usize, in_flight: &InFlight) -> String {
    let counts = format!("{failed} failed, {} waiting", in_flight.len());
    let slowest = in_flight
        .slowest()
        .and_then(|slowest| Some((slowest.profile, activity::text(&slowest.activity)?)));
    match slowest {
        Some((profile, text)) => format!("{counts}; {profile}: {text}"),
        None => counts,
    }
}
