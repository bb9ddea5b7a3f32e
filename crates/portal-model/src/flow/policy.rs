//! How patient a create is: [`Policy`].

use std::time::Duration;

/// How long a create tries, and what it may do. The defaults suit a person at a terminal and a
/// job in the night.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Longest time for one request, from connecting to the last byte of its answer. The driver
    /// keeps it. Default 30 s.
    pub attempt_timeout: Duration,
    /// Longest time for the whole create. Default 120 s.
    pub deadline: Duration,
    /// How long after a lost answer the service may still apply the request, or not yet show what
    /// it applied: only a look-up later than this proves an absence. Default 10 s.
    pub settle: Duration,
    /// The back-off of the first retry, which doubles with each. Default 200 ms.
    pub backoff_base: Duration,
    /// Longest back-off. Default 10 s.
    pub backoff_max: Duration,
    /// Most POSTs per name. Default 5.
    pub max_posts: u32,
    /// Create even where the org has a portal of another name. Default no.
    pub allow_another: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempt_timeout: Duration::from_secs(30),
            deadline: Duration::from_secs(120),
            settle: Duration::from_secs(10),
            backoff_base: Duration::from_millis(200),
            backoff_max: Duration::from_secs(10),
            max_posts: 5,
            allow_another: false,
        }
    }
}

impl Policy {
    /// The time that must be left for a POST: an attempt, `settle`, and a look-up. So a POST whose
    /// answer is lost can still be cleared up before the deadline.
    pub fn time_for_a_post(&self) -> Duration {
        self.attempt_timeout.saturating_mul(2).saturating_add(self.settle)
    }

    /// Checks that a POST can be sent however long the first look takes.
    ///
    /// # Errors
    /// [`DeadlineTooShort`] where the deadline does not cover a look-up and
    /// [`Self::time_for_a_post`].
    pub fn check(&self) -> Result<(), DeadlineTooShort> {
        if self.deadline >= self.time_for_a_post().saturating_add(self.attempt_timeout) {
            Ok(())
        } else {
            Err(DeadlineTooShort {
                deadline: self.deadline,
                attempt_timeout: self.attempt_timeout,
                settle: self.settle,
            })
        }
    }

    /// The back-off before retry number `retry`, counted from 0, with full jitter.
    pub(super) fn backoff(&self, retry: u32, jitter: Jitter) -> Duration {
        let doubled =
            self.backoff_base.saturating_mul(1_u32.checked_shl(retry).unwrap_or(u32::MAX));
        jitter.of(doubled.min(self.backoff_max))
    }
}

/// A deadline that leaves no time for a POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a deadline of {deadline:?} is too short: a look-up, an attempt and another look-up \
     ({attempt_timeout:?} each), and settling ({settle:?}) must fit into it"
)]
#[non_exhaustive]
pub struct DeadlineTooShort {
    /// The deadline.
    pub deadline: Duration,
    /// Longest time for one request.
    pub attempt_timeout: Duration,
    /// What a doubt needs to settle.
    pub settle: Duration,
}

/// The random part of a back-off, drawn by the caller: a fraction between none and all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jitter(u32);

impl Jitter {
    /// No wait at all.
    pub const NONE: Self = Self(0);
    /// The whole wait.
    pub const FULL: Self = Self(u32::MAX);

    /// From 32 random bits.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    fn of(self, whole: Duration) -> Duration {
        let nanos = whole.as_nanos().saturating_mul(u128::from(self.0)) / u128::from(u32::MAX);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_doubles_up_to_its_bound() {
        let policy = Policy::default();
        let full = |retry| policy.backoff(retry, Jitter::FULL).as_millis();
        assert_eq!(
            [full(0), full(1), full(5), full(6), full(99)],
            [200, 400, 6400, 10_000, 10_000]
        );
        assert_eq!(policy.backoff(3, Jitter::NONE), Duration::ZERO);
        let half = policy.backoff(0, Jitter::from_bits(u32::MAX / 2)).as_millis();
        assert!((99..=100).contains(&half), "{half}");
    }

    #[test]
    fn the_default_deadline_covers_a_post_and_a_short_one_says_what_it_lacks() {
        assert_eq!(Policy::default().check(), Ok(()));
        let just = Policy { deadline: Duration::from_secs(100), ..Policy::default() };
        assert_eq!(just.check(), Ok(()));
        let hasty = Policy { deadline: Duration::from_secs(20), ..Policy::default() };
        assert_eq!(
            hasty.check().unwrap_err().to_string(),
            "a deadline of 20s is too short: a look-up, an attempt and another look-up (30s each), \
             and settling (10s) must fit into it"
        );
    }
}
