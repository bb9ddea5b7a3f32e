//! What a report depends on beside the outcome: [`ReportContext`].

use std::time::{Duration, SystemTime};

use portal_model::flow::Policy;
use portal_model::outcome::NotDone;

use crate::report::place::Place;

/// What a report depends on beside the outcome.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReportContext {
    pub(crate) profile: Option<String>,
    /// The arguments that lead to the org, each after a space, for commands in hints.
    pub(crate) org: String,
    /// An existing portal is a success.
    pub(crate) ensure: bool,
    /// The command only determines an earlier outcome.
    pub(crate) recovered: bool,
    /// When the earlier create was begun that made the portal.
    pub(crate) begun: Option<SystemTime>,
    /// How long after an attempt absence counts.
    pub(crate) verified_after: Option<Duration>,
}

impl ReportContext {
    /// Of a call at `place`, to which the arguments `org` lead.
    pub(crate) fn new(place: &Place, org: String, policy: &Policy) -> Self {
        Self {
            profile: place.profile().map(str::to_owned),
            org,
            verified_after: Some(policy.processing_time.saturating_add(policy.list_lag)),
            ..Self::default()
        }
    }

    /// The time that an outcome without effect rests on, if a list has proved it.
    pub(crate) fn verified_after(&self, why: &NotDone) -> Option<u64> {
        let is_proved = matches!(why, NotDone::Absent | NotDone::Exhausted { .. });
        self.verified_after.filter(|_| is_proved).map(|time| time.as_secs())
    }
}
