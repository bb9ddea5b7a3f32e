//! Ctrl-C, SIGTERM and SIGHUP; on Windows Ctrl-C, Ctrl-Break and a console that is closed.

use std::sync::{Mutex, PoisonError};
use std::task::Context;
#[cfg(unix)]
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use portal_http::client::{Ended, InFlight};
use portal_model::flow::Activity;
use tokio::sync::watch;

/// What runs, and may be in doubt.
static WATCHED: Mutex<Vec<watch::Receiver<Activity>>> = Mutex::new(Vec::new());

/// While a call with this activity is in doubt, [`exit_at_once`] says so.
fn watch(activity: watch::Receiver<Activity>) {
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    watched.retain(|activity| activity.has_changed().is_ok());
    watched.push(activity);
}

/// Ends the process with status 5 if something is in doubt, else as SIGINT does. That is safe because
/// the ledger has whatever is in doubt.
pub(crate) fn exit_at_once() -> ! {
    let watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    let is_in_doubt = |activity: &watch::Receiver<Activity>| {
        !matches!(
            *activity.borrow(),
            Activity::Authenticating
                | Activity::ListingFirst
                | Activity::WaitingForOthers
                | Activity::Done
        )
    };
    std::process::exit(if watched.iter().any(is_in_doubt) { 5 } else { 130 })
}

/// Completes on the first signal.
pub(crate) async fn interrupted() {
    signals().next().await;
}

/// Returns a flag that the first signal raises. The second one [ends the process](exit_at_once).
pub(crate) fn stop_flag() -> watch::Receiver<bool> {
    let (stop, flag) = watch::channel(false);
    // Not in the task, which begins later: a signal in between would end the process.
    let mut signals = signals();
    tokio::spawn(async move {
        signals.next().await;
        stop.send_replace(true);
        signals.next().await;
        exit_at_once();
    });
    flag
}

/// Waits until the flag is raised; forever if its sender is gone.
pub(crate) async fn raised(flag: &mut watch::Receiver<bool>) {
    if flag.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits for the end of a call, which is stopped once the flag is raised, and ends soon then.
pub(crate) async fn until_stopped(mut call: InFlight, stop: &mut watch::Receiver<bool>) -> Ended {
    watch(call.activity());
    tokio::select! {
        biased;
        ended = &mut call => return ended,
        () = raised(stop) => call.stop(),
    }
    call.await
}

/// A signal that asks a process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM, Ctrl-Break.
    Terminate,
    /// SIGHUP; the console was closed, and Windows ends the process seconds later.
    Hangup,
}

/// Those signals, from now on. The stream does not end. SIGHUP is none of them if it was ignored at the
/// start: `nohup portal batch` survives its terminal.
pub(crate) fn signals() -> BoxStream<'static, Kind> {
    let kinds = [Kind::Interrupt, Kind::Terminate, Kind::Hangup];
    let kinds = kinds.into_iter().take(if is_hangup_ignored() { 2 } else { 3 });
    stream::select_all(kinds.filter_map(arriving)).chain(stream::pending()).boxed()
}

/// The stream of a signal of tokio. Without a handler, the signal itself ends the process.
macro_rules! stream_of {
    ($signal:expr, $kind:expr) => {{
        let mut signal = $signal.ok()?;
        let poll = move |context: &mut Context<'_>| signal.poll_recv(context);
        Some(stream::poll_fn(poll).map(move |()| $kind).boxed())
    }};
}

#[cfg(unix)]
fn arriving(kind: Kind) -> Option<BoxStream<'static, Kind>> {
    use tokio::signal::unix::{SignalKind, signal};

    let number = match kind {
        Kind::Interrupt => SignalKind::interrupt(),
        Kind::Terminate => SignalKind::terminate(),
        Kind::Hangup => SignalKind::hangup(),
    };
    stream_of!(signal(number), kind)
}

#[cfg(windows)]
fn arriving(kind: Kind) -> Option<BoxStream<'static, Kind>> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};

    match kind {
        Kind::Interrupt => stream_of!(ctrl_c(), kind),
        Kind::Terminate => stream_of!(ctrl_break(), kind),
        Kind::Hangup => stream_of!(ctrl_close(), kind),
    }
}

/// Completes once the process that started this one has ended. Not by the signal that Linux can send then:
/// that arrives when the *thread* ends that started this process, such as that of one test of many.
#[cfg(unix)]
pub(crate) fn parent_ended() -> impl Future<Output = ()> {
    const INTERVAL: Duration = Duration::from_millis(100);
    let parent = rustix::process::getppid();
    async move {
        while rustix::process::getppid() == parent {
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

/// Whether this process was started with SIGHUP ignored, as far as the system shows it.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is signal 1, the lowest bit.
    mask.is_some_and(|mask| mask & 1 == 1)
}
