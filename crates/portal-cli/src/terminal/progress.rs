//! What a create or a recovery is waiting for, on stderr.

use std::cell::RefCell;
use std::convert::Infallible;
use std::time::Duration;

use portal_model::flow::Activity;
use tokio::sync::watch;
use tokio::time::{Instant, interval_at};

use crate::report::activity;
use crate::terminal::printer::Printer;

/// Prints at most once a second what is being done, from the second second on.
pub(crate) struct Progress<'a> {
    printer: &'a Printer,
    /// What is watched, and since when: the flow's clock starts then.
    watched: RefCell<Option<(watch::Receiver<Activity>, Instant)>>,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(printer: &'a Printer) -> Self {
        Self { printer, watched: RefCell::default() }
    }

    /// Watches this from now on.
    pub(crate) fn watch(&self, activity: watch::Receiver<Activity>) {
        self.watched.replace(Some((activity, Instant::now())));
    }

    /// Waits for `work` and prints what is new meanwhile.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            result = work => result,
            never = self.print() => match never {},
        }
    }

    async fn print(&self) -> Infallible {
        const SECOND: Duration = Duration::from_secs(1);
        let mut ticks = interval_at(Instant::now() + SECOND, SECOND);
        let mut printed = None;
        loop {
            ticks.tick().await;
            let text = self.text();
            // The time that is left changes with each second, and is printed once.
            let what = text.as_ref().map(|(what, _)| what.clone());
            if what != printed {
                if let Some((what, left)) = text {
                    self.printer.waiting(what + &left);
                }
                printed = what;
            }
        }
    }

    /// What is being done, and how long it takes at most if that is known.
    fn text(&self) -> Option<(String, String)> {
        let watched = self.watched.borrow();
        let (activity, started) = watched.as_ref()?;
        let activity = activity.borrow();
        let left = match &*activity {
            Activity::WaitingToVerify { until, .. } => {
                let left = until.saturating_sub(started.elapsed()).as_secs().max(1);
                let left = humantime::format_duration(Duration::from_secs(left));
                format!(" (certain in {left} at the latest)")
            }
            _ => String::new(),
        };
        Some((activity::text(&activity)?, left))
    }
}
