//! The signals that shut the server down: Ctrl-C, SIGTERM and SIGHUP.

use std::io;

use tokio::sync::watch;

/// What a signal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Interrupt,
    #[cfg(unix)]
    Terminate,
    #[cfg(unix)]
    Hangup,
}

/// The signals that have arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Received {
    count: u32,
    last: Option<Kind>,
}

/// Handles the signals from now on, and counts them.
#[cfg(unix)]
pub(super) fn count() -> io::Result<watch::Receiver<Received>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (count, counted) = watch::channel(Received::default());
    for (kind, number) in
        [(Kind::Interrupt, SignalKind::interrupt()), (Kind::Terminate, SignalKind::terminate())]
    {
        let (mut signal, count) = (signal(number)?, count.clone());
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                count.send_modify(|received| received.add(kind));
            }
        });
    }
    // `nohup portal serve` shall survive its terminal.
    if !is_hangup_ignored() {
        let mut signal = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                // Kernel and shell may both send one when a terminal closes: nobody insists.
                count.send_modify(|received| {
                    *received = Received { count: received.count.max(1), last: Some(Kind::Hangup) };
                });
            }
        });
    }
    Ok(counted)
}

#[cfg(not(unix))]
pub(super) fn count() -> io::Result<watch::Receiver<Received>> {
    let (count, counted) = watch::channel(Received::default());
    let mut signal = tokio::signal::windows::ctrl_c()?;
    tokio::spawn(async move {
        while signal.recv().await.is_some() {
            count.send_modify(|received| received.add(Kind::Interrupt));
        }
    });
    Ok(counted)
}

impl Received {
    fn add(&mut self, kind: Kind) {
        *self = Self { count: self.count + 1, last: Some(kind) };
    }
}

/// Completes once `number` signals have arrived.
pub(super) async fn reached(mut signals: watch::Receiver<Received>, number: u32) {
    if signals.wait_for(|received| received.count >= number).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The next signal; also one that arrived before it is waited for.
#[cfg(unix)]
pub(super) async fn next(signals: &mut watch::Receiver<Received>) -> Kind {
    loop {
        if signals.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        if let Some(kind) = signals.borrow_and_update().last {
            return kind;
        }
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
