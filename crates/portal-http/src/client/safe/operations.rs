//! [`Operations`]: what runs of a client and its clones, and how that is ended.

use std::future::pending;
use std::time::Duration;

use portal_model::flow::Activity;
use tokio::sync::watch;
use tokio::time::timeout;

/// What runs of a client and its clones.
#[derive(Debug, Default)]
pub(super) struct Operations {
    phase: watch::Sender<Phase>,
}

/// Which operations have to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Nobody,
    /// Operations with nothing in doubt.
    Undoubted,
    Everybody,
}

impl Operations {
    /// Counts one as running until its receiver is dropped.
    pub(super) fn begin(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Stops what has nothing in doubt at once, and the rest after `grace`. Returns once nothing runs.
    pub(super) async fn shutdown(&self, grace: Duration) {
        self.phase.send_replace(Phase::Undoubted);
        if timeout(grace, self.phase.closed()).await.is_err() {
            self.phase.send_replace(Phase::Everybody);
            self.phase.closed().await;
        }
    }
}

/// Waits until the caller of an operation, or a shutdown, stops it. None of the channels closes meanwhile:
/// the operation holds their senders.
pub(super) async fn stopped(
    mut by_caller: watch::Receiver<bool>,
    mut by_shutdown: watch::Receiver<Phase>,
    mut activity: watch::Receiver<Activity>,
) {
    let mut shutdown = by_shutdown.clone();
    let without_doubt = async {
        let had_doubt = tokio::select! {
            biased;
            _ = activity.wait_for(is_in_doubt) => true,
            _ = shutdown.wait_for(|phase| *phase != Phase::Nobody) => false,
        };
        if had_doubt {
            pending::<()>().await;
        }
    };
    tokio::select! {
        _ = by_caller.wait_for(|is_stopped| *is_stopped) => {}
        _ = by_shutdown.wait_for(|phase| *phase == Phase::Everybody) => {}
        () = without_doubt => {}
    }
}

/// Whether an attempt may have taken effect meanwhile.
fn is_in_doubt(activity: &Activity) -> bool {
    matches!(
        activity,
        Activity::Sending { .. } | Activity::Verifying | Activity::WaitingToVerify { .. }
    )
}
