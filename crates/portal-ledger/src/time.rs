//! [`Moment`], a reading of the caller's clock, [`Mark`], one that is kept, and [`Times`], how long things take.

use std::fmt;
use std::time::Duration;

use portal_model::flow::Policy;
use serde::{Deserialize, Serialize};

/// A reading of a clock that counts from boot, suspended time included, and never steps.
///
/// The ledger reads no clock itself. The wall clock is not suitable: it steps, and it may be wrong
/// by years on a machine without a battery.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Moment {
    boot: String,
    since_boot: Duration,
}

impl Moment {
    /// `since_boot` on the clock that `boot` names. Readings of one name are compared with each
    /// other, so it has to differ after a reboot, on another machine and in another time namespace.
    pub fn new(boot: impl Into<String>, since_boot: Duration) -> Self {
        Self { boot: boot.into(), since_boot }
    }

    /// The time since `earlier`, or `None` if that can't be told: it is of another clock, or later.
    pub fn since(&self, earlier: &Self) -> Option<Duration> {
        (self.boot == earlier.boot).then(|| self.since_boot.checked_sub(earlier.since_boot))?
    }

    /// The moment `time` later.
    pub fn plus(&self, time: Duration) -> Self {
        Self { boot: self.boot.clone(), since_boot: self.since_boot.saturating_add(time) }
    }

    /// This moment on another clock, which read `there` when this one read `here`. One that can't be
    /// told is that reading.
    pub(crate) fn read_at(&self, here: &Self, there: &Self) -> Self {
        if here.boot == there.boot {
            return self.clone();
        }
        match (self.since(here), here.since(self)) {
            (Some(ahead), _) => there.plus(ahead),
            (None, Some(ago)) => {
                Self { since_boot: there.since_boot.saturating_sub(ago), ..there.clone() }
            }
            (None, None) => there.clone(),
        }
    }

    /// The moment `time` earlier, at most when the clock began.
    pub fn minus(&self, time: Duration) -> Self {
        Self { boot: self.boot.clone(), since_boot: self.since_boot.saturating_sub(time) }
    }

    /// Whether this is a moment of the clock that `now` was read from.
    pub(crate) fn is_of_clock(&self, now: &Self) -> bool {
        self.boot == now.boot
    }

    pub(crate) fn is_at_or_before(&self, now: &Self) -> bool {
        now.since(self).is_some()
    }
}

/// Formats as `12.5s after boot 3f2a…`.
impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after boot {}", self.since_boot, self.boot)
    }
}

/// Of how many clocks the readings of a mark are kept. Where each process has a clock of its own, more than
/// that could not wait at once: each would be forgotten before it asks again.
const MAX_CLOCKS: usize = 256;

/// A moment in the ledger, as each clock has it that read it. What another clock said counts from when it is
/// first read: one of the past was then at the latest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mark(Vec<Moment>);

impl Mark {
    /// The moment on the clock of `now`, if that has read it.
    pub(crate) fn reading(&self, now: &Moment) -> Option<&Moment> {
        self.0.iter().find(|reading| reading.is_of_clock(now))
    }

    /// The moment, if it was read from the clock of `now` as it was: what other clocks have of it is when they
    /// came to read it.
    pub(crate) fn first_hand(&self, now: &Moment) -> Option<&Moment> {
        self.0.first().filter(|moment| moment.is_of_clock(now))
    }

    /// The moment on the clock of `now`: one that has not read it reads it now, and it is at most `ahead`.
    pub(crate) fn on(&self, now: &Moment, ahead: Duration) -> Moment {
        self.reading(now).cloned().unwrap_or_else(|| now.plus(ahead))
    }

    /// The same, remembered: whether that clock reads it for the first time.
    pub(crate) fn read(&mut self, now: &Moment, ahead: Duration) -> bool {
        let is_new = self.reading(now).is_none();
        if is_new {
            // The clocks of many processes that are gone are no longer read.
            let keep = self.0.len().saturating_sub(MAX_CLOCKS - 1);
            self.0.drain(..keep);
            self.0.push(now.plus(ahead));
        }
        is_new
    }

    /// Whether it is past for the clock of `now`.
    pub(crate) fn is_past(&self, now: &Moment) -> bool {
        self.reading(now).is_some_and(|reading| reading.is_at_or_before(now))
    }
}

impl From<Moment> for Mark {
    fn from(moment: Moment) -> Self {
        Self(vec![moment])
    }
}

/// How long an attempt and its effect take. Where an entry and a reader of it differ, the greater
/// counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// Longest time from the start of [`Permit::record`](crate::Permit::record) to the end of the
    /// attempt: the caller's timeout of the record plus that of the attempt.
    pub attempt_budget: Duration,
    /// How long an attempt may still take effect after its end.
    pub processing_time: Duration,
    /// How long a list may lag behind an effect.
    pub list_lag: Duration,
}

impl Times {
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            attempt_budget: self.attempt_budget.max(other.attempt_budget),
            processing_time: self.processing_time.max(other.processing_time),
            list_lag: self.list_lag.max(other.list_lag),
        }
    }

    pub(crate) fn total(self) -> Duration {
        self.attempt_budget.saturating_add(self.processing_time).saturating_add(self.list_lag)
    }
}

impl From<&Policy> for Times {
    fn from(policy: &Policy) -> Self {
        Self {
            attempt_budget: policy.record_timeout.saturating_add(policy.attempt_timeout),
            processing_time: policy.processing_time,
            list_lag: policy.list_lag,
        }
    }
}
