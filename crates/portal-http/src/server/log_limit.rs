//! [`LogLimit`]: at most one log event a minute of each kind, so that an overload does not fill
//! the disk of the operator who must see it.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Between two events of one kind, in milliseconds.
const INTERVAL: u64 = 60_000;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Limits the events of one kind. Keep one in a `static` beside the event.
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
        self.pass_at(u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn pass_at(&self, now: u64) -> Option<u64> {
        let next = self.next.load(Ordering::Relaxed);
        let is_first = now >= next
            && self
                .next
                .compare_exchange(next, now + INTERVAL, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_first {
            return Some(self.suppressed.swap(0, Ordering::Relaxed));
        }
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_a_minute_passes_and_counts_the_others() {
        let limit = LogLimit::new();
        assert_eq!(limit.pass_at(5), Some(0));
        assert_eq!(limit.pass_at(6), None);
        assert_eq!(limit.pass_at(INTERVAL), None);
        assert_eq!(limit.pass_at(INTERVAL + 5), Some(2));
        assert_eq!(limit.pass_at(INTERVAL + 6), None);
    }
}
