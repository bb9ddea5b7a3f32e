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
    tokio::spawn(async move {
        let mut signals = Signals::new();
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

/// Listens for both signals.
struct Signals {
    #[cfg(unix)]
    terminate: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    fn new() -> Self {
        #[cfg(unix)]
        use tokio::signal::unix::{SignalKind, signal};
        Self {
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate()).ok(),
        }
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        let terminated = async {
            match &mut self.terminate {
                Some(signal) => signal.recv().await,
                None => None,
            }
        };
        #[cfg(not(unix))]
        let terminated = std::future::ready(None::<()>);
        tokio::select! {
            Ok(()) = tokio::signal::ctrl_c() => {}
            Some(()) = terminated => {}
            // Without a handler, the signal ends the process by itself.
            else => std::future::pending().await,
        }
    }
}
