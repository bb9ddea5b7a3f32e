//! The signals that shut the server down: Ctrl-C, SIGTERM and SIGHUP.

use std::io;

use tokio::sync::watch;

/// Handles the signals from now on, and counts them.
#[cfg(unix)]
pub(super) fn count() -> io::Result<watch::Receiver<u32>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (count, counted) = watch::channel(0);
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let (mut signal, count) = (signal(kind)?, count.clone());
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                count.send_modify(|count| *count += 1);
            }
        });
    }
    // `nohup portal serve` shall survive its terminal.
    if !is_hangup_ignored() {
        let mut signal = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                // Kernel and shell may both send one when a terminal closes: nobody insists.
                count.send_modify(|count| *count = (*count).max(1));
            }
        });
    }
    Ok(counted)
}

#[cfg(not(unix))]
pub(super) fn count() -> io::Result<watch::Receiver<u32>> {
    let (count, counted) = watch::channel(0);
    let mut signal = tokio::signal::windows::ctrl_c()?;
    tokio::spawn(async move {
        while signal.recv().await.is_some() {
            count.send_modify(|count| *count += 1);
        }
    });
    Ok(counted)
}

/// Completes once `number` signals have arrived.
pub(super) async fn reached(mut signals: watch::Receiver<u32>, number: u32) {
    if signals.wait_for(|count| *count >= number).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Whether this process was started with SIGHUP ignored, as far as the system shows it.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is signal 1, the lowest bit.
    mask.is_some_and(|mask| mask & 1 == 1)
}
