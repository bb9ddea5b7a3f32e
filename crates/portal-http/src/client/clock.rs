//! The clock of safe calls: it counts suspended time, and follows tokio's where a test moves that.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use portal_ledger::{Clock, Moment};

static SYSTEM: LazyLock<Clock> = LazyLock::new(Clock::system);
/// What a [`NotAfter`] counts from.
static START: LazyLock<Moment> = LazyLock::new(|| SYSTEM.now().minus(Duration::MAX));

/// Reads the system's clock, by as much ahead of it or behind as tokio's time is: paused in a test, it
/// goes only as far as it is moved.
pub(super) fn now() -> Moment {
    let (test, real) = (tokio::time::Instant::now().into_std(), Instant::now());
    let ahead = test.saturating_duration_since(real);
    SYSTEM.now().plus(ahead).minus(real.saturating_duration_since(test))
}

/// A moment on the clock of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAfter(Duration);

impl NotAfter {
    pub(super) fn new(moment: &Moment) -> Self {
        // What is of another clock has passed.
        Self(moment.since(&START).unwrap_or_default())
    }

    pub(super) fn has_passed(self) -> bool {
        now().since(&START).is_none_or(|elapsed| elapsed >= self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn clock_follows_paused_time() {
        let (before, hour) = (now(), Duration::from_secs(3600));
        let soon = NotAfter::new(&before.plus(hour));
        assert!(!soon.has_passed());
        // More than the time that may pass between two readings.
        tokio::time::advance(hour + Duration::from_secs(60)).await;
        assert!(now().since(&before).is_some_and(|passed| passed >= hour));
        assert!(soon.has_passed());
        assert!(NotAfter::new(&Moment::new("another boot", hour * 9999)).has_passed());
    }
}
