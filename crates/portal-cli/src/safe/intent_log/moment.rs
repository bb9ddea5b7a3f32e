//! A point in time that another process can measure from: [`Moment`].

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// A point in time by the wall clock, for display, and by the clock of this boot, which is immune to
/// changes of the wall clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moment {
    #[serde(with = "rfc3339")]
    time: SystemTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<Boot>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Boot {
    /// Differs after each boot.
    id: String,
    /// Time since boot, suspended time included.
    millis: u64,
}

/// Far beyond every processing time: only longer differences of the wall clock count.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// 2026-01-01. An earlier time comes from a wall clock that was not set yet.
const PLAUSIBLE_FROM: Duration = Duration::from_secs(1_767_225_600);

impl Moment {
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // Whole milliseconds, the precision of the file.
        let millis = u64::try_from(since.as_millis()).unwrap_or_default();
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        Self { time, boot: Boot::now() }
    }

    /// For display.
    pub(crate) fn time(&self) -> SystemTime {
        self.time
    }

    /// The least time from this moment to `now` (rule 9). Between two boots, or without a boot
    /// clock, only hours of difference of the wall clock count: a clock that was set forward must
    /// not shorten a wait.
    pub(crate) fn certain_age(&self, now: &Self) -> Duration {
        if let Some(age) = self.age_in_boot(now) {
            return age;
        }
        let is_plausible = self.time >= SystemTime::UNIX_EPOCH + PLAUSIBLE_FROM;
        Some(self.wall_age(now)).filter(|age| is_plausible && *age >= FAR).unwrap_or_default()
    }

    /// The time from this moment to `now`, if the clocks are right.
    pub(crate) fn age(&self, now: &Self) -> Duration {
        self.age_in_boot(now).unwrap_or_else(|| self.wall_age(now))
    }

    fn age_in_boot(&self, now: &Self) -> Option<Duration> {
        let (then, now) = (self.boot.as_ref()?, now.boot.as_ref()?);
        // Containers can share the boot id but not the clock: a time in the future is another clock's.
        let millis = now.millis.checked_sub(then.millis)?;
        (then.id == now.id).then(|| Duration::from_millis(millis))
    }

    fn wall_age(&self, now: &Self) -> Duration {
        now.time.duration_since(self.time).unwrap_or_default()
    }
}

impl Boot {
    #[cfg(target_os = "linux")]
    fn now() -> Option<Self> {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let millis = u64::try_from(time.tv_sec).ok()?.checked_mul(1000)?
            + u64::try_from(time.tv_nsec).ok()? / 1_000_000;
        Some(Self { id: id.trim().to_owned(), millis })
    }

    #[cfg(not(target_os = "linux"))]
    fn now() -> Option<Self> {
        None
    }
}

mod rfc3339 {
    use std::time::SystemTime;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_rfc3339_millis(*time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(from)?;
        humantime::parse_rfc3339(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: u64, boot: Option<(&str, u64)>) -> Moment {
        Moment {
            time: SystemTime::UNIX_EPOCH + PLAUSIBLE_FROM + Duration::from_secs(seconds),
            boot: boot.map(|(id, seconds)| Boot { id: id.to_owned(), millis: seconds * 1000 }),
        }
    }

    fn age(then: (u64, Option<(&str, u64)>), now: (u64, Option<(&str, u64)>)) -> u64 {
        moment(then.0, then.1).certain_age(&moment(now.0, now.1)).as_secs()
    }

    #[test]
    fn age_within_one_boot_ignores_wall_clock() {
        assert_eq!(age((0, Some(("a", 10))), (9_999_999, Some(("a", 15)))), 5);
        assert_eq!(age((500, Some(("a", 10))), (0, Some(("a", 15)))), 5);
    }

    #[test]
    fn age_across_boots_counts_beyond_day_only() {
        assert_eq!(age((0, Some(("a", 10))), (3600, Some(("b", 99)))), 0);
        assert_eq!(age((0, None), (3600, None)), 0);
        assert_eq!(age((500, None), (0, None)), 0);
        assert_eq!(age((0, Some(("a", 10))), (90_000, Some(("b", 5)))), 90_000);
        // Another container's clock under the same boot id.
        assert_eq!(age((0, Some(("a", 20))), (3600, Some(("a", 10)))), 0);
    }

    #[test]
    fn age_of_moment_before_clock_was_set_is_zero() {
        let unset = Moment { time: SystemTime::UNIX_EPOCH, boot: None };
        assert_eq!(unset.certain_age(&moment(0, None)), Duration::ZERO);
    }

    #[test]
    fn moment_round_trips_and_passes_on_this_machine() {
        let then = Moment::now();
        let text = serde_json::to_string(&then).unwrap();
        let read: Moment = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert!(read.age(&Moment::now()) < Duration::from_secs(60));
    }
}
