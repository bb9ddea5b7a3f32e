//! [`LogLimit`]: at most one log event a minute of each kind, so that an overload does not fill
//! the disk of the operator who must see it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two events of one kind.
pub(super) const LOG_INTERVAL: Duration = Duration::from_secs(60);

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
pub(super) struct LogLimit(Mutex<Option<Last>>);

/// When the last one passed, and how many were suppressed since.
type Last = (Instant, u64);

impl LogLimit {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// How many were suppressed since the last event, if this one passes.
    pub(super) fn pass(&self) -> Option<u64> {
        self.pass_at(Instant::now())
    }

    fn pass_at(&self, now: Instant) -> Option<u64> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *last {
            Some((at, suppressed)) if now.duration_since(*at) < LOG_INTERVAL => {
                *suppressed += 1;
                None
            }
            last => Some(last.replace((now, 0)).map_or(0, |(_, suppressed)| suppressed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_per_interval_counts_suppressed() {
        let limit = LogLimit::new();
        let (start, soon) = (Instant::now(), Duration::from_secs(5));
        assert_eq!(limit.pass_at(start), Some(0));
        assert_eq!(limit.pass_at(start), None);
        assert_eq!(limit.pass_at(start + soon), None);
        assert_eq!(limit.pass_at(start + LOG_INTERVAL), Some(2));
        assert_eq!(limit.pass_at(start + LOG_INTERVAL * 3), Some(0));
    }
}
