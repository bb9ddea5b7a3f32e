//! [`LogLimit`]: at most one log event a minute of each kind, so that an overload does not fill
//! the disk of the operator who must see it.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Between two events of one kind.
pub(super) const LOG_INTERVAL: Duration = Duration::from_secs(60);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Logs an event of `tracing`, as its macro of the same level does, unless one of this place passed
/// within [`LOG_INTERVAL`]. The event says how many were suppressed since.
macro_rules! log_limited {
    ($level:ident: $($field:tt)*) => {{
        static LIMIT: $crate::server::log_limit::LogLimit =
            $crate::server::log_limit::LogLimit::new();
        if let Some(suppressed) = LIMIT.pass() {
            tracing::$level!(suppressed, $($field)*);
        }
    }};
}
pub(super) use log_limited;

/// Limits the events of one kind.
#[derive(Debug)]
pub(super) struct LogLimit {
    /// When the next event passes, in milliseconds since the start.
    next: AtomicU64,
    suppressed: AtomicU64,
}

impl LogLimit {
    pub(super) const fn new() -> Self {
        Self { next: AtomicU64::new(0), suppressed: AtomicU64::new(0) }
    }

    /// Whether to log the event now: if so, how many were suppressed since the last one.
    pub(super) fn pass(&self) -> Option<u64> {
        self.pass_at(START.elapsed())
    }

    fn pass_at(&self, now: Duration) -> Option<u64> {
        let (next, after) = (self.next.load(Ordering::Relaxed), millis(now + LOG_INTERVAL));
        // Of events at the same time, the one that moves the limit passes.
        let passes = millis(now) >= next
            && self
                .next
                .compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if passes {
            return Some(self.suppressed.swap(0, Ordering::Relaxed));
        }
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        None
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_per_interval_counts_suppressed() {
        let limit = LogLimit::new();
        let start = Duration::from_secs(5);
        assert_eq!(limit.pass_at(start), Some(0));
        assert_eq!(limit.pass_at(start), None);
        assert_eq!(limit.pass_at(LOG_INTERVAL), None);
        assert_eq!(limit.pass_at(LOG_INTERVAL + start), Some(2));
        assert_eq!(limit.pass_at(LOG_INTERVAL + start), None);
    }
}
