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
    rows: usize,
    over: usize,
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
        Self { bar, rows, over: 0, failed: 0, started: Instant::now(), ticks, printer }
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
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let rate = self.over as f64 / elapsed.as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let left = Duration::try_from_secs_f64((self.rows - self.over) as f64 / rate);
            parts.push(format!("{rate:.1}/s"));
            if let Ok(left) = left {
                let left = humantime::format_duration(Duration::from_secs(left.as_secs()));
                parts.push(format!("about {left} left"));
            }
        }
        let slowest = in_flight.slowest();
        if let Some((profile, text)) =
            slowest.and_then(|slow| Some((slow.profile, activity::text(&slow.activity)?)))
        {
            parts.push(format!("{profile}: {text}"));
        }
        parts.join(" · ")
    }
}

/// `[3/50] acme AcmePortal: rejected (NO_PERMISSION)`
fn line(over: usize, rows: usize, result: &RowResult) -> String {
    let report = &result.report;
    let profile = report.profile.as_deref().unwrap_or_default();
    let outcome = report.outcome.as_str().replace('_', " ");
    let why =
        report.error.as_ref().map(|error| error.code.as_deref().unwrap_or(error.kind.as_str()));
    let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
    cut(&format!("[{over}/{rows}] {profile} {}: {outcome}{why}", report.name))
}
