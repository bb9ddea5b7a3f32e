//! [`Operations`]: what runs of a client and its clones, and how that is ended.

use std::sync::Arc;
use std::time::Duration;

use portal_ledger::EntryId;
use portal_model::flow::Activity;
use tokio::sync::watch;
use tokio::time::timeout;

/// What runs of a client and its clones.
#[derive(Debug, Default)]
pub(super) struct Operations(watch::Sender<State>);

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    running: usize,
    /// What was left in doubt since the client began to shut down.
    in_doubt: Vec<EntryId>,
}

/// Which operations have to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Nobody,
    /// Operations with nothing in doubt.
    Undoubted,
    Everybody,
}

/// Counts as running until it is dropped.
pub(super) struct Operation<'a>(&'a Operations);

impl Operations {
    pub(super) fn begin(&self) -> Operation<'_> {
        self.change(|state| state.running += 1);
        Operation(self)
    }

    /// Stops what has nothing in doubt at once, and the rest after `grace`. Returns what stays in doubt.
    pub(super) async fn shutdown(&self, grace: Duration) -> Vec<EntryId> {
        let mut ended = self.0.subscribe();
        let mut ended = async |phase| {
            self.change(|state| state.phase = phase);
            // The sender is this very value.
            let _ = ended.wait_for(|state| state.running == 0).await;
        };
        if timeout(grace, ended(Phase::Undoubted)).await.is_err() {
            ended(Phase::Everybody).await;
        }
        self.0.borrow().in_doubt.clone()
    }

    /// Waits until the caller of an operation, or a shutdown, stops it.
    pub(super) async fn stopped(
        self: Arc<Self>,
        mut by_caller: watch::Receiver<bool>,
        mut activity: watch::Receiver<Activity>,
    ) {
        let mut state = self.0.subscribe();
        let mut was_in_doubt = false;
        loop {
            was_in_doubt |= is_in_doubt(&activity.borrow_and_update());
            let by_shutdown = match state.borrow_and_update().phase {
                Phase::Nobody => false,
                Phase::Undoubted => !was_in_doubt,
                Phase::Everybody => true,
            };
            if by_shutdown || *by_caller.borrow_and_update() {
                return;
            }
            // Each of them fails only once its sender is gone; the operation holds all three.
            let _ = tokio::select! {
                changed = by_caller.changed() => changed,
                changed = activity.changed() => changed,
                changed = state.changed() => changed,
            };
        }
    }

    /// Tells others of it only if somebody may be waiting: a thousand operations need not wake each
    /// other.
    fn change(&self, change: impl FnOnce(&mut State)) {
        self.0.send_if_modified(|state| {
            change(state);
            state.phase != Phase::Nobody
        });
    }
}

impl Operation<'_> {
    /// Notes that the operation of `entry` is in doubt.
    pub(super) fn is_in_doubt(&self, entry: EntryId) {
        self.0.change(|state| {
            if state.phase != Phase::Nobody {
                state.in_doubt.push(entry);
            }
        });
    }
}

impl Drop for Operation<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.running -= 1);
    }
}

/// Whether an attempt may have taken effect meanwhile.
fn is_in_doubt(activity: &Activity) -> bool {
    matches!(
        activity,
        Activity::Sending { .. } | Activity::Verifying | Activity::WaitingToVerify { .. }
    )
}
