//! What a create, a rename or a recovery is waiting for, on stderr.

use std::pin::pin;
use std::time::Duration;

use portal_model::flow::Activity;
use tokio::sync::watch;
use tokio::time::{Instant, interval_at};

use crate::report::activity::{self, whole_seconds};
use crate::report::wrap::fit;
use crate::terminal::printer::Printer;
use crate::terminal::width;

const SECOND: Duration = Duration::from_secs(1);

/// Waits for the work on the portal `name`, which takes `deadline` at most. Shows what is being done, from
/// the second second on: on a terminal in one place that is redrawn each second, elsewhere a line for each
/// thing.
pub(crate) async fn during<T>(
    work: impl Future<Output = T>,
    name: &str,
    deadline: Duration,
    activity: watch::Receiver<Activity>,
    printer: &Printer,
) -> T {
    let mut work = pin!(work);
    let live = printer.live("{msg}");
    // The flow's clock starts now.
    let started = Instant::now();
    let mut ticks = interval_at(started + SECOND, SECOND);
    let mut told = Vec::new();
    let result = loop {
        tokio::select! {
            biased;
            result = &mut work => break result,
            _ = ticks.tick() => {}
        }
        let activity = activity.borrow().clone();
        // `None` once it has ended.
        let Some(what) = activity::text(&activity) else { continue };
        let elapsed = started.elapsed();
        let next = activity::next(&activity, elapsed);
        if let Some(live) = &live {
            let next = next.map(|next| format!(" · {next}")).unwrap_or_default();
            let [elapsed, deadline] = [elapsed, deadline].map(whole_seconds);
            let text = format!("{name}: {what} · {elapsed} of {deadline}{next} · Ctrl-C is safe");
            live.set_message(fit(&text, width::of_stderr()));
        } else if !told.contains(&what) {
            // The time that is left changes with each second, and is printed once.
            let next = next.map(|next| format!(" ({next})")).unwrap_or_default();
            printer.note(format_args!("{what}{next}"));
            told.push(what);
        }
    };
    if let Some(live) = live {
        live.finish_and_clear();
    }
    result
}
