//! [`LogLimit`]: at most one log event a minute of each kind, so that an overload does not fill
//! the disk of the operator who must see it.

use std::mem;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::sleep;

/// Between two events of one kind.
pub(super) const LOG_INTERVAL: Duration = Duration::from_secs(60);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Logs an event of `tracing`, as its macro of the same level does with `message` and its fields, unless
/// one of this place passed within [`LOG_INTERVAL`]: those are counted, and logged together at its end.
macro_rules! log_limited {
    ($level:ident, $message:literal $(, $($field:tt)+)?) => {{
        use $crate::server::log_limit::{LogLimit, Pass};
        static LIMIT: LogLimit = LogLimit::new();
        match LIMIT.pass() {
            Pass::Now(suppressed) => tracing::$level!(suppressed, $($($field)+,)? $message),
            Pass::Later(wait) => LIMIT.log_after(wait, |more| tracing::$level!(more, $message)),
            Pass::Never => {}
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

/// Whether to log an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// With how many were suppressed and not logged since the last one.
    Now(u64),
    /// With the others of this interval, after this time.
    Later(Duration),
    Never,
}

impl LogLimit {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(State { next: Duration::ZERO, suppressed: 0 }))
    }

    pub(super) fn pass(&self) -> Pass {
        self.pass_at(START.elapsed())
    }

    /// Logs how many were suppressed, at the end of the interval: nothing else may come.
    pub(super) fn log_after(&'static self, wait: Duration, log: fn(u64)) {
        // Without one the next event has the count.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            sleep(wait).await;
            if let Some(suppressed) = self.take_at(START.elapsed()) {
                log(suppressed);
            }
        });
    }

    fn pass_at(&self, now: Duration) -> Pass {
        let mut state = self.lock();
        if now >= state.next {
            state.next = now + LOG_INTERVAL;
            return Pass::Now(mem::take(&mut state.suppressed));
        }
        state.suppressed += 1;
        if state.suppressed == 1 {
            Pass::Later(state.next.saturating_sub(now))
        } else {
            Pass::Never
        }
    }

    /// How many were suppressed, if any. What comes next is suppressed for another interval.
    fn take_at(&self, now: Duration) -> Option<u64> {
        let mut state = self.lock();
        let suppressed = mem::take(&mut state.suppressed);
        if suppressed > 0 {
            state.next = now + LOG_INTERVAL;
        }
        (suppressed > 0).then_some(suppressed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_per_interval_counts_suppressed() {
        let limit = LogLimit::new();
        let start = Duration::from_secs(5);
        assert_eq!(limit.pass_at(start), Pass::Now(0));
        assert_eq!(limit.take_at(start), None);
        assert_eq!(limit.pass_at(start), Pass::Later(LOG_INTERVAL));
        assert_eq!(limit.pass_at(LOG_INTERVAL), Pass::Never);
        // Nothing else may come.
        assert_eq!(limit.take_at(LOG_INTERVAL + start), Some(2));
        assert_eq!(
            limit.pass_at(LOG_INTERVAL + start * 2),
            Pass::Later(LOG_INTERVAL.saturating_sub(start))
        );
        // A runtime that has ended logs nothing.
        assert_eq!(limit.pass_at(LOG_INTERVAL * 3), Pass::Now(1));
    }
}
