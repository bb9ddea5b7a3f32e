//! The clock of safe calls: it counts suspended time, and follows tokio's where a test moves that.

use std::sync::LazyLock;
use std::time::Instant;

use portal_ledger::{Clock, Moment};

static SYSTEM: LazyLock<Clock> = LazyLock::new(Clock::system);

/// Reads the system's clock, by as much ahead of it or behind as tokio's time is: paused in a test, it
/// goes only as far as it is moved.
pub(super) fn now() -> Moment {
    let (test, real) = (tokio::time::Instant::now().into_std(), Instant::now());
    let ahead = test.saturating_duration_since(real);
    SYSTEM.now().plus(ahead).minus(real.saturating_duration_since(test))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn clock_follows_paused_time() {
        let (before, hour) = (now(), Duration::from_secs(3600));
        // More than the time that may pass between two readings.
        tokio::time::advance(hour + Duration::from_secs(60)).await;
        assert!(now().since(&before).is_some_and(|passed| passed >= hour));
    }
}
