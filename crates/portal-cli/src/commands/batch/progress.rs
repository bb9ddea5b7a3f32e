//! The progress of a batch, on stderr: a bar on a terminal, else a line for each row that ends.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use portal_model::neutral::cut;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::batch::in_flight::InFlight;
use crate::batch::result::{RowResult, Verdict};
use crate::report::activity;
use crate::terminal::printer::Printer;

/// Shows how far a batch is.
pub(super) struct Progress<'a> {
    /// Absent if stderr is not a terminal that can redraw a line.
    bar: Option<ProgressBar>,
    rows: u32,
    over: u32,
    failed: usize,
    started: Instant,
    ticks: Interval,
    printer: &'a Printer,
}

impl<'a> Progress<'a> {
    pub(super) fn new(rows: usize, printer: &'a Printer) -> Self {
        let bar = printer.live("{pos}/{len}  {wide_msg}");
        if let Some(bar) = &bar {
            bar.set_length(rows as u64);
        }
        let mut ticks = interval(Duration::from_millis(100));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        Self { bar, rows, over: 0, failed: 0, started: Instant::now(), ticks, printer }
    }

    /// A row has ended. Returns how many of them failed.
    pub(super) fn over(&mut self, result: &RowResult) -> usize {
        self.over += 1;
        self.failed += usize::from(result.verdict() != Verdict::Done);
        match &self.bar {
            Some(bar) => bar.inc(1),
            None if self.printer.is_json() => {}
            None => self.printer.note(line(self.over, self.rows, result)),
        }
        self.failed
    }

    /// Waits a moment, then shows what is in flight.
    pub(super) async fn tick(&mut self, in_flight: &InFlight) {
        self.ticks.tick().await;
        if let Some(bar) = &self.bar {
            bar.set_message(self.message(in_flight));
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// `2 failed · 16 in flight · 3.2/s · about 40s left · acme: response lost; verifying`
    fn message(&self, in_flight: &InFlight) -> String {
        let mut parts = Vec::new();
        if self.failed > 0 {
            parts.push(format!("{} failed", self.failed));
        }
        parts.push(format!("{} in flight", in_flight.len()));
        let elapsed = self.started.elapsed();
        if self.over > 0 && elapsed > Duration::from_secs(1) {
            parts.push(format!("{:.1}/s", f64::from(self.over) / elapsed.as_secs_f64()));
            let left = elapsed * self.rows.saturating_sub(self.over) / self.over;
            parts.push(format!("about {} left", activity::whole_seconds(left)));
        }
        if let Some((profile, activity)) = in_flight.slowest()
            && let Some(text) = activity::text(&activity)
        {
            parts.push(format!("{profile}: {text}"));
        }
        parts.join(" · ")
    }
}

/// `[3/50] acme AcmePortal: rejected (NO_PERMISSION)`
fn line(over: u32, rows: u32, result: &RowResult) -> String {
    let report = &result.report;
    let profile = report.profile.as_deref().unwrap_or_default();
    let outcome = report.outcome.as_str().replace('_', " ");
    let why =
        report.error.as_ref().map(|error| error.code.as_deref().unwrap_or(error.kind.as_str()));
    let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
    cut(&format!("[{over}/{rows}] {profile} {}: {outcome}{why}", report.name))
}
