//! Ctrl-C, and what asks a process to end.

/// Ready at Ctrl-C, or at SIGTERM.
pub(crate) async fn interrupted() {
    #[cfg(unix)]
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => None,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::ready(None::<()>);
    tokio::select! {
        Ok(()) = tokio::signal::ctrl_c() => {}
        Some(()) = terminated => {}
        // Without a handler a signal ends the process by itself.
        else => std::future::pending().await,
    }
}
