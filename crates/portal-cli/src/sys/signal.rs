//! Ctrl-C and SIGTERM.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{Stream, StreamExt as _, stream};
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
    signals().next().await;
}

/// Returns a flag that the first Ctrl-C or SIGTERM raises. The second one [ends the
/// process](exit_at_once).
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

/// Ctrl-C and SIGTERM, from now on. The stream does not end.
#[cfg(unix)]
pub(crate) fn signals() -> impl Stream<Item = ()> + Unpin {
    use tokio::signal::unix::{SignalKind, signal};

    // Without a handler, the signal itself ends the process.
    let handled = [SignalKind::interrupt(), SignalKind::terminate()].map(|kind| signal(kind).ok());
    let arrived = handled
        .into_iter()
        .flatten()
        .map(|mut signal| stream::poll_fn(move |context| signal.poll_recv(context)));
    stream::select_all(arrived).chain(stream::pending())
}

#[cfg(not(unix))]
pub(crate) fn signals() -> impl Stream<Item = ()> + Unpin {
    let arrived = stream::repeat(()).then(|()| tokio::signal::ctrl_c());
    let arrived = arrived.take_while(|arrived| std::future::ready(arrived.is_ok())).map(drop);
    Box::pin(arrived.chain(stream::pending()))
}
