//! [`Operations`]: what runs of a client and its clones, and how that is ended.

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

/// Waits until the caller of an operation, or a shutdown, stops it.
pub(super) async fn stopped(
    mut by_caller: watch::Receiver<bool>,
    mut by_shutdown: watch::Receiver<Phase>,
    mut activity: watch::Receiver<Activity>,
) {
    let mut was_in_doubt = false;
    loop {
        was_in_doubt |= is_in_doubt(&activity.borrow_and_update());
        let is_shut_down = match *by_shutdown.borrow_and_update() {
            Phase::Nobody => false,
            Phase::Undoubted => !was_in_doubt,
            Phase::Everybody => true,
        };
        if is_shut_down || *by_caller.borrow_and_update() {
            return;
        }
        // Each of them fails only once its sender is gone; the operation holds all three.
        let _ = tokio::select! {
            changed = by_caller.changed() => changed,
            changed = activity.changed() => changed,
            changed = by_shutdown.changed() => changed,
        };
    }
}

/// Whether an attempt may have taken effect meanwhile.
fn is_in_doubt(activity: &Activity) -> bool {
    matches!(
        activity,
        Activity::Sending { .. } | Activity::Verifying | Activity::WaitingToVerify { .. }
    )
}
