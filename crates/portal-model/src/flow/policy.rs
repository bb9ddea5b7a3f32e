//! How long a flow tries, and what it may do: [`Policy`].

use std::time::Duration;

/// How long a flow tries, and what it may do. The defaults suit a person at a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Timeout of the irreversible request, from connecting to the last byte of the response. Default
    /// 20 s.
    pub attempt_timeout: Duration,
    /// Timeout of the durable record before an attempt. Default 5 s.
    pub record_timeout: Duration,
    /// Timeout of a list, and of getting a token. Default 10 s.
    pub read_timeout: Duration,
    /// Time for the whole flow. Default 300 s.
    pub deadline: Duration,
    /// How long an attempt may still take effect after it ended without a response of the service.
    /// Default 60 s.
    pub processing_time: Duration,
    /// How long a list may lag behind an effect. Default 10 s.
    pub list_lag: Duration,
    /// The backoff of the first retry, which doubles with each. Default 1 s.
    pub backoff_base: Duration,
    /// Longest backoff. Default 10 s.
    pub backoff_max: Duration,
    /// Most attempts per name that may be in doubt (rule 8). Default 3: one, and two repeats.
    pub max_attempts: u32,
    /// Create even if the org has a portal of another name, or if the token may not list what it has. Default no.
    pub allow_another: bool,
    /// How to find out whose a taken name is. Default [`NameTaken::Verify`].
    pub name_taken: NameTaken,
    /// Rule 13: five tries of a request while nothing is in doubt, within 20 s. The exhaustive test has
    /// smaller ones.
    #[doc(hidden)]
    pub max_tries: u32,
    #[doc(hidden)]
    pub try_time: Duration,
}

/// How to find out whose a taken name is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameTaken {
    /// List at once, and again one list lag after the response: a portal of this org that is
    /// younger than that may be missing from the first list. Then a fallback is tried.
    #[default]
    Verify,
    /// List once. A name that the list does not show is reported as taken with an undetermined
    /// owner, and no fallback is tried. For sign-up forms, where the user chooses another name in any
    /// case.
    AtOnce,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempt_timeout: Duration::from_secs(20),
            record_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(10),
            deadline: Duration::from_secs(300),
            processing_time: Duration::from_secs(60),
            list_lag: Duration::from_secs(10),
            backoff_base: Duration::from_secs(1),
            backoff_max: Duration::from_secs(10),
            max_attempts: 3,
            allow_another: false,
            name_taken: NameTaken::Verify,
            max_tries: 5,
            try_time: Duration::from_secs(20),
        }
    }
}

impl Policy {
    /// The defaults for unattended runs over many orgs: a deadline of 15 minutes.
    pub fn batch() -> Self {
        Self { deadline: Duration::from_secs(15 * 60), ..Self::default() }
    }

    /// The defaults for a server on this machine that is known to finish a request within a second
    /// of its end and to list what it did at once. Never for the live service.
    pub fn rehearsal() -> Self {
        Self {
            processing_time: Duration::from_secs(1),
            list_lag: Duration::ZERO,
            ..Self::default()
        }
    }

    /// The time that must be left for an attempt: the attempt, the processing time and list lag
    /// after it, and a list. An attempt whose response is lost can still be verified before the
    /// deadline.
    pub fn time_for_an_attempt(&self) -> Duration {
        let verified = self.absence_after(false).saturating_add(self.read_timeout);
        self.attempt_timeout.saturating_add(verified)
    }

    /// How long after the end of an attempt a list must begin to prove absence (rule 5). A rejection that
    /// only an existing portal explains needs no processing time (rule 4).
    pub(super) fn absence_after(&self, is_explained: bool) -> Duration {
        let processing = if is_explained { Duration::ZERO } else { self.processing_time };
        processing.saturating_add(self.list_lag)
    }

    /// Checks that an attempt fits the deadline, after a first list and a record that take as long as
    /// they may.
    ///
    /// # Errors
    /// [`DeadlineTooShort`].
    pub fn check(&self) -> Result<(), DeadlineTooShort> {
        let before = self.read_timeout.saturating_add(self.record_timeout);
        let needed = self.time_for_an_attempt().saturating_add(before);
        if self.deadline >= needed {
            Ok(())
        } else {
            Err(DeadlineTooShort { deadline: self.deadline, needed })
        }
    }

    /// The backoff before retry number `retry`, counted from 0: between half of it and all of it,
    /// so that many clients spread out and none retries at once.
    pub(super) fn backoff(&self, retry: u32, jitter: Jitter) -> Duration {
        let doubled =
            self.backoff_base.saturating_mul(1_u32.checked_shl(retry).unwrap_or(u32::MAX));
        let whole = doubled.min(self.backoff_max);
        whole / 2 + jitter.of(whole / 2)
    }
}

/// A deadline that leaves no time for an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "deadline of {deadline:?} too short: a list, the record, an attempt, the processing time, the \
     list lag and another list take up to {needed:?}"
)]
#[non_exhaustive]
pub struct DeadlineTooShort {
    /// The deadline.
    pub deadline: Duration,
    /// The shortest possible one.
    pub needed: Duration,
}

/// The random part of a backoff, drawn by the caller: a fraction between none and all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jitter(u32);

impl Jitter {
    /// The shortest backoff.
    pub const NONE: Self = Self(0);
    /// The longest backoff.
    pub const FULL: Self = Self(u32::MAX);

    /// From 32 random bits.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    pub(super) fn of(self, whole: Duration) -> Duration {
        let nanos = whole.as_nanos().saturating_mul(u128::from(self.0)) / u128::from(u32::MAX);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_bound_and_is_never_zero() {
        let policy = Policy::default();
        let millis = |retry, jitter| policy.backoff(retry, jitter).as_millis();
        let full = |retry| millis(retry, Jitter::FULL);
        assert_eq!(
            [full(0), full(1), full(3), full(4), full(99)],
            [1000, 2000, 8000, 10_000, 10_000]
        );
        assert_eq!(millis(0, Jitter::NONE), 500);
        assert_eq!(millis(99, Jitter::NONE), 5000);
        assert_eq!(millis(0, Jitter::from_bits(u32::MAX / 2)), 749);
    }

    #[test]
    fn presets_leave_time_for_attempt() {
        for policy in [Policy::default(), Policy::batch(), Policy::rehearsal()] {
            assert_eq!(policy.check(), Ok(()));
        }
        assert_eq!(Policy::batch().deadline, Duration::from_secs(900));
        let rehearsal = Policy::rehearsal();
        let delays = [rehearsal.processing_time, rehearsal.list_lag];
        assert_eq!(delays, [Duration::from_secs(1), Duration::ZERO]);
        let just = Policy { deadline: Duration::from_secs(115), ..Policy::default() };
        assert_eq!(just.check(), Ok(()));
        let short = Policy { deadline: Duration::from_secs(114), ..Policy::default() };
        assert_eq!(
            short.check().unwrap_err().to_string(),
            "deadline of 114s too short: a list, the record, an attempt, the processing time, the \
             list lag and another list take up to 115s"
        );
    }
}
