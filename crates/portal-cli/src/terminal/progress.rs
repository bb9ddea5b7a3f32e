//! What a create, a rename or a recovery is waiting for, on stderr.

use std::cell::RefCell;
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
    started: Instant,
    /// What is watched, and since when: the flow's clock starts then.
    watched: RefCell<Option<(watch::Receiver<Activity>, Instant)>>,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(name: &'a str, deadline: Duration, printer: &'a Printer) -> Self {
        Self { printer, name, deadline, started: Instant::now(), watched: RefCell::default() }
    }

    /// Watches this from now on.
    pub(crate) fn watch(&self, activity: watch::Receiver<Activity>) {
        self.watched.replace(Some((activity, Instant::now())));
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
            let Some((what, next)) = self.state() else { continue };
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

    /// What is being done, and what comes next, unless it has ended.
    fn state(&self) -> Option<(String, Option<String>)> {
        let watched = self.watched.borrow();
        let (activity, started) = watched.as_ref()?;
        let activity = activity.borrow();
        Some((activity::text(&activity)?, activity::next(&activity, started.elapsed())))
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
