//! [`LogLimit`]: at most one log event a minute of each kind, so that an overload does not fill
//! the disk of the operator who must see it.

use std::mem;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two events of one kind.
pub(super) const LOG_INTERVAL: Duration = Duration::from_secs(60);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Logs an event of `tracing`, as its macro of the same level does, unless one of this place passed
/// within [`LOG_INTERVAL`]: the next one that passes says how many were `suppressed`.
macro_rules! log_limited {
    ($level:ident, $($event:tt)+) => {{
        static LIMIT: $crate::server::log_limit::LogLimit =
            $crate::server::log_limit::LogLimit::new();
        if let Some(suppressed) = LIMIT.pass() {
            tracing::$level!(suppressed, $($event)+);
        }
    }};
}
pub(super) use log_limited;

/// Limits the events of one kind.
#[derive(Debug)]
pub(super) struct LogLimit(Mutex<State>);

#[derive(Debug)]
struct State {
    /// When the next one passes, since the start.
    next: Duration,
    suppressed: u64,
}

impl LogLimit {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(State { next: Duration::ZERO, suppressed: 0 }))
    }

    /// How many were suppressed since the last event, if this one passes.
    pub(super) fn pass(&self) -> Option<u64> {
        self.pass_at(START.elapsed())
    }

    fn pass_at(&self, now: Duration) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now < state.next {
            state.suppressed += 1;
            return None;
        }
        state.next = now + LOG_INTERVAL;
        Some(mem::take(&mut state.suppressed))
    }
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
        assert_eq!(limit.pass_at(LOG_INTERVAL * 3), Some(0));
    }
}
