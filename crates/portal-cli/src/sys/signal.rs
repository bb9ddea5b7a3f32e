//! Ctrl-C and SIGTERM.

use tokio::sync::watch;

/// Completes on Ctrl-C or SIGTERM.
pub(crate) async fn interrupted() {
    Signals::new().next().await;
}

/// Returns a flag that the first Ctrl-C or SIGTERM raises. The second one ends the process at once,
/// which is safe because the intent log has whatever is in doubt.
pub(crate) fn stop_flag() -> watch::Receiver<bool> {
    let (stop, flag) = watch::channel(false);
    // Not in the task, which begins later: a signal in between would end the process.
    let mut signals = Signals::new();
    tokio::spawn(async move {
        signals.next().await;
        stop.send_replace(true);
        signals.next().await;
        std::process::exit(130);
    });
    flag
}

/// Waits until the flag is raised; forever if its sender is gone.
pub(crate) async fn raised(flag: &mut watch::Receiver<bool>) {
    if flag.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Listens for both signals from now on.
struct Signals {
    #[cfg(unix)]
    handled: [Option<tokio::signal::unix::Signal>; 2],
}

impl Signals {
    fn new() -> Self {
        #[cfg(unix)]
        use tokio::signal::unix::{SignalKind, signal};
        Self {
            // Without a handler, the signal itself ends the process.
            #[cfg(unix)]
            handled: [SignalKind::interrupt(), SignalKind::terminate()]
                .map(|kind| signal(kind).ok()),
        }
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        async fn one(signal: &mut Option<tokio::signal::unix::Signal>) {
            match signal {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        }
        let [interrupt, terminate] = &mut self.handled;
        tokio::select! {
            () = one(interrupt) => {}
            () = one(terminate) => {}
        }
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
