//! What a create waits for before anything is sent.

use std::time::Duration;

use portal_model::CreateOperation;
use portal_model::flow::Intent;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::SafeCreate;
use crate::report::failure::Failure;
use crate::safe::intent_log::{Entry, State};
use crate::safe::recent;
use crate::safe::recovery;
use crate::safe::withheld::{discarded, in_progress, org_busy, unlisted, whole_seconds};
use crate::sys::signal::raised;

/// How often to retry a lock that another process holds.
const POLL: Duration = Duration::from_millis(50);

/// Each wait returns `false` if the flag is raised first, and fails if too little time would be left.
impl SafeCreate<'_> {
    /// Waits a moment for another create of the org.
    pub(super) async fn wait(
        &self,
        is_noted: &mut bool,
        wish: &CreateOperation,
        deadline: Instant,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<bool, Failure> {
        if !std::mem::replace(is_noted, true) {
            self.printer.waiting("waiting for another create in this org");
        }
        if Instant::now() + POLL >= deadline {
            let found = self.find(wish).await?;
            return Err(if self.is_in(&found, wish, State::InProgress) {
                in_progress(wish, &self.whose.place)
            } else {
                org_busy(wish, self.is_in(&found, wish, State::InDoubt))
            });
        }
        Ok(pause(POLL, stop).await)
    }

    /// How long the effect of a discarded create may still appear: until then it counts as in doubt
    /// (rule 11).
    pub(super) fn until_safe(&self, entry: &Entry) -> Duration {
        if self.policy().allow_another || !entry.is_discarded_create() {
            return Duration::ZERO;
        }
        recovery::verified_after(self.client).saturating_sub(entry.since_end())
    }

    /// Waits until a list would show the effect of every discarded create, `entry` being the last.
    pub(super) async fn wait_out(
        &self,
        entry: &Entry,
        wish: &CreateOperation,
        deadline: Instant,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<bool, Failure> {
        let left = self.until_safe(entry);
        if !self.has_time(left, deadline) {
            return Err(discarded(wish, entry, left));
        }
        self.printer.waiting(format_args!(
            "waiting {} s: the outcome of {} was discarded, and its portal may still appear",
            whole_seconds(left),
            entry.name()
        ));
        Ok(pause(left, stop).await)
    }

    /// How long a list may still miss the effect of `entry`.
    pub(super) fn until_listed(&self, entry: &Entry) -> Duration {
        recent::until_listed(entry, self.policy().list_lag)
    }

    /// Waits until a list no longer shows the old name of `rename`, which would pass for the portal
    /// that is to be created.
    pub(super) async fn wait_for_list(
        &self,
        rename: &Entry,
        wish: &CreateOperation,
        is_in_doubt: bool,
        deadline: Instant,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<bool, Failure> {
        let Intent::Rename(intent) = &rename.history.intent else { return Ok(true) };
        let (old, left) = (intent.old.as_str(), self.until_listed(rename));
        if !self.has_time(left, deadline) {
            return Err(unlisted(wish, is_in_doubt, rename, old, left));
        }
        self.printer.waiting(format_args!(
            "waiting {} s: {old} was renamed to {} a moment ago, and the org's list may still show \
             it",
            whole_seconds(left),
            rename.name()
        ));
        Ok(pause(left, stop).await)
    }

    /// Whether an attempt after `left` could be verified before the deadline.
    fn has_time(&self, left: Duration, deadline: Instant) -> bool {
        let needed = left.saturating_add(self.policy().time_for_an_attempt());
        deadline.saturating_duration_since(Instant::now()) >= needed
    }
}

/// Returns `false` if the flag is raised first.
async fn pause(time: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = sleep(time) => true,
        () = raised(stop) => false,
    }
}
