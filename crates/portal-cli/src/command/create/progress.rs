//! What a create is waiting for, on stderr.

use std::time::Duration;

use portal_model::flow::{Activity, Policy};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, interval_at};

use crate::activity;
use crate::printer::Printer;

/// Says at most once a second what a create is doing, from its second second on.
pub(super) struct Progress<'a> {
    activity: watch::Receiver<Activity>,
    settle: Duration,
    printer: &'a Printer,
    seconds: Interval,
    said: Option<String>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(
        activity: watch::Receiver<Activity>,
        policy: &Policy,
        printer: &'a Printer,
    ) -> Self {
        let second = Duration::from_secs(1);
        let seconds = interval_at(Instant::now() + second, second);
        Self { activity, settle: policy.settle, printer, seconds, said: None }
    }

    /// Waits for a second, then says what is new.
    pub(super) async fn tick(&mut self) {
        self.seconds.tick().await;
        let text = activity::text(&self.activity.borrow(), self.settle);
        if text.is_some() && text != self.said {
            if let Some(text) = &text {
                self.printer.waiting(text);
            }
            self.said = text;
        }
    }
}
