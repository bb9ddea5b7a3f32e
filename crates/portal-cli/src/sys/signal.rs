//! Ctrl-C, SIGTERM and SIGHUP.

#[cfg(unix)]
use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
#[cfg(unix)]
use std::task::Poll;

#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How many [`InDoubt`] there are.
static IN_DOUBT: AtomicUsize = AtomicUsize::new(0);

/// Something that may have taken effect, and whose outcome was not reported: while there is one,
/// [`exit_at_once`] says so.
#[derive(Debug)]
pub(crate) struct InDoubt(());

impl InDoubt {
    pub(crate) fn new() -> Self {
        IN_DOUBT.fetch_add(1, Ordering::SeqCst);
        Self(())
    }

    /// Counts until the process ends.
    pub(crate) fn stay(self) {
        std::mem::forget(self);
    }
}

impl Drop for InDoubt {
    fn drop(&mut self) {
        IN_DOUBT.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Ends the process with status 5 if something is in doubt, else as SIGINT does. That is safe because
/// the intent log has whatever is in doubt.
pub(crate) fn exit_at_once() -> ! {
    std::process::exit(if IN_DOUBT.load(Ordering::SeqCst) > 0 { 5 } else { 130 })
}

/// Completes on Ctrl-C or SIGTERM.
pub(crate) async fn interrupted() {
    Signals::interrupting().next().await;
}

/// Returns a flag that the first Ctrl-C or SIGTERM raises. The second one [ends the
/// process](exit_at_once).
pub(crate) fn stop_flag() -> watch::Receiver<bool> {
    let (stop, flag) = watch::channel(false);
    // Not in the task, which begins later: a signal in between would end the process.
    let mut signals = Signals::interrupting();
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

/// A signal that asks a process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Interrupt,
    Terminate,
    Hangup,
}

/// Handles signals from its creation on.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    #[cfg(unix)]
    handled: Vec<(Kind, tokio::signal::unix::Signal)>,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn of(kinds: &[Kind]) -> io::Result<Self> {
        let handle = |kind: &Kind| {
            let number = match kind {
                Kind::Interrupt => SignalKind::interrupt(),
                Kind::Terminate => SignalKind::terminate(),
                Kind::Hangup => SignalKind::hangup(),
            };
            Ok((*kind, signal(number)?))
        };
        Ok(Self { handled: kinds.iter().map(handle).collect::<io::Result<_>>()? })
    }

    /// The next one; also one that arrived before it is waited for.
    pub(crate) async fn next(&mut self) -> Kind {
        poll_fn(|context| {
            let arrived = self
                .handled
                .iter_mut()
                .find_map(|(kind, signal)| signal.poll_recv(context).is_ready().then_some(*kind));
            arrived.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn of(_: &[Kind]) -> io::Result<Self> {
        Ok(Self {})
    }

    pub(crate) async fn next(&mut self) -> Kind {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Kind::Interrupt
    }
}

impl Signals {
    pub(crate) fn interrupting() -> Self {
        // Without a handler, the signal itself ends the process.
        Self::of(&[Kind::Interrupt, Kind::Terminate]).unwrap_or_default()
    }

    /// Those that shut a server down. `nohup portal serve` survives its terminal.
    pub(crate) fn ending() -> io::Result<Self> {
        let all = [Kind::Interrupt, Kind::Terminate, Kind::Hangup];
        Self::of(if is_hangup_ignored() { &all[..2] } else { &all })
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
