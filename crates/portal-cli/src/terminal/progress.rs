//! What a create, a rename or a recovery is waiting for, on stderr.

use std::convert::Infallible;
use std::time::Duration;

use indicatif::ProgressBar;
use portal_model::flow::Activity;
use tokio::sync::watch;
use tokio::time::{Instant, interval_at};

use crate::report::activity;
use crate::report::wrap::fit;
use crate::terminal::printer::Printer;
use crate::terminal::width;

const SECOND: Duration = Duration::from_secs(1);

/// Shows what is being done, from the second second on: on a terminal in one place that is redrawn
/// each second, elsewhere a line for each thing.
pub(crate) struct Progress<'a> {
    printer: &'a Printer,
    /// The portal's name.
    name: &'a str,
    /// The longest that it can take.
    deadline: Duration,
    activity: watch::Receiver<Activity>,
    /// The flow's clock starts then.
    started: Instant,
}

impl<'a> Progress<'a> {
    /// Of something that begins now.
    pub(crate) fn new(
        name: &'a str,
        deadline: Duration,
        activity: watch::Receiver<Activity>,
        printer: &'a Printer,
    ) -> Self {
        Self { printer, name, deadline, activity, started: Instant::now() }
    }

    /// Waits for `work` and shows its progress meanwhile.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let live = self.printer.live("{msg}");
        let result = tokio::select! {
            biased;
            result = work => result,
            never = self.show(live.as_ref()) => match never {},
        };
        if let Some(live) = live {
            live.finish_and_clear();
        }
        result
    }

    async fn show(&self, live: Option<&ProgressBar>) -> Infallible {
        let mut ticks = interval_at(Instant::now() + SECOND, SECOND);
        let mut printed = Vec::new();
        loop {
            ticks.tick().await;
            let activity = self.activity.borrow().clone();
            // `None` once it has ended.
            let Some(what) = activity::text(&activity) else { continue };
            let next = activity::next(&activity, self.started.elapsed());
            if let Some(live) = live {
                live.set_message(self.live_text(&what, next.as_deref()));
            } else if !printed.contains(&what) {
                // The time that is left changes with each second, and is printed once.
                let next = next.map(|next| format!(" ({next})")).unwrap_or_default();
                self.printer.waiting(format_args!("{what}{next}"));
                printed.push(what);
            }
        }
    }

    fn live_text(&self, what: &str, next: Option<&str>) -> String {
        let elapsed = activity::whole_seconds(self.started.elapsed());
        let deadline = activity::whole_seconds(self.deadline);
        let next = next.map(|next| format!(" · {next}")).unwrap_or_default();
        let text =
            format!("{}: {what} · {elapsed} of {deadline}{next} · Ctrl-C is safe", self.name);
        fit(&text, width::of_stderr())
    }
}
