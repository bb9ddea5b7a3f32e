//! What a report depends on beside the outcome: [`ReportContext`].

use std::time::Duration;

use portal_model::outcome::NotDone;

/// What a report depends on beside the outcome.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReportContext {
    pub(crate) profile: Option<String>,
    /// The arguments that lead to the org, each after a space, for commands in hints.
    pub(crate) org: String,
    /// The name that was wanted first, if there were fallbacks.
    pub(crate) requested: Option<String>,
    /// An existing portal is a success.
    pub(crate) ensure: bool,
    /// The command only determines an earlier outcome.
    pub(crate) recovered: bool,
    /// How long after an attempt absence counts.
    pub(crate) verified_after: Option<Duration>,
}

impl ReportContext {
    /// The time that an outcome without effect rests on, if a list has proved it.
    pub(crate) fn verified_after(&self, reason: &NotDone) -> Option<u64> {
        let is_proved = matches!(reason, NotDone::Absent | NotDone::Exhausted { .. });
        self.verified_after.filter(|_| is_proved).map(|time| time.as_secs())
    }
}
