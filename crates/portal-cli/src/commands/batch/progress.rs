//! The progress of a batch, on stderr: a bar on a terminal, else a line for each row that ends.

use std::time::Duration;

use indicatif::ProgressBar;
use portal_model::Outcome;
use portal_model::neutral::cut;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::words::Kind;
use crate::batch::run::Run;
use crate::report::activity;
use crate::terminal::printer::Printer;

/// Shows how far a batch is.
pub(super) struct Progress<'a> {
    /// Absent if stderr is not a terminal that can redraw a line.
    bar: Option<ProgressBar>,
    rows: usize,
    ended: usize,
    failed: usize,
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
        Self { bar, rows, ended: 0, failed: 0, ticks, printer }
    }

    /// A row has ended. Returns how many of them failed.
    pub(super) fn ended(&mut self, run: &Run<'_>, row: usize, outcome: &Outcome) -> usize {
        self.ended += 1;
        self.failed += usize::from(!outcome.exists());
        match &self.bar {
            Some(bar) => bar.inc(1),
            None if self.printer.is_json() => {}
            None => {
                let profile = run.rows.get(row).map_or("", |row| row.profile.as_str());
                let (name, what) = (outcome.name(), Kind::of_outcome(outcome).text(true));
                let code = match outcome {
                    Outcome::Rejected { error, .. } => format!(" ({})", error.code),
                    _ => String::new(),
                };
                let counted = format!("[{}/{}]", self.ended, self.rows);
                self.printer.note(cut(&format!("{counted} {profile} {name}: {what}{code}")));
            }
        }
        self.failed
    }

    /// Waits a moment, then shows what is in flight.
    pub(super) async fn tick(&mut self, run: &Run<'_>) {
        self.ticks.tick().await;
        if let Some(bar) = &self.bar {
            bar.set_message(self.message(bar, run));
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// `2 failed · 16 in flight · 3.2/s · about 40s left · acme: response lost; verifying`
    fn message(&self, bar: &ProgressBar, run: &Run<'_>) -> String {
        let mut parts = Vec::new();
        if self.failed > 0 {
            parts.push(format!("{} failed", self.failed));
        }
        parts.push(format!("{} in flight", run.in_flight()));
        if self.ended > 0 && bar.elapsed() > Duration::from_secs(1) {
            parts.push(format!("{:.1}/s", bar.per_sec()));
            parts.push(format!("about {} left", activity::whole_seconds(bar.eta())));
        }
        if let Some((row, activity)) = run.slowest()
            && let Some(text) = activity::text(&activity)
        {
            parts.push(format!("{}: {text}", row.profile));
        }
        parts.join(" · ")
    }
}
