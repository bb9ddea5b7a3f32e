//! [`Clock`]: the system's clock that counts from boot, suspended time included.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::time::Moment;

/// The system's clock that counts from boot, suspended time included. Cloning is cheap.
///
/// On Linux its readings are comparable between the processes of one boot and one time namespace. On
/// other systems, and without `/proc`, they are comparable within the process, so that what another one left is
/// waited for as long as if it had just ended. A program that is started anew for each operation waits every
/// time, however old the entry; one that stays waits once.
#[derive(Clone, Debug)]
pub struct Clock {
    boot: Arc<str>,
}

/// Names the clock of this process, which no other reads.
static PROCESS: LazyLock<String> = LazyLock::new(|| {
    let random = getrandom::u64().unwrap_or_default();
    format!("process {} {random:016x}", std::process::id())
});

#[cfg(not(unix))]
static START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

impl Clock {
    /// Reads which boot this is.
    pub fn system() -> Self {
        Self { boot: boot().unwrap_or_else(|| PROCESS.clone()).into() }
    }

    /// Reads the clock.
    pub fn now(&self) -> Moment {
        Moment::new(&*self.boot, elapsed())
    }
}

#[cfg(unix)]
fn elapsed() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    // Apple's monotonic clock counts suspended time; Linux has one of its own for that.
    #[cfg(target_os = "linux")]
    let clock = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::Monotonic;
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}

#[cfg(not(unix))]
fn elapsed() -> Duration {
    START.elapsed()
}

/// The clocks of two time namespaces of one boot differ by their offsets; a namespace itself has no name that
/// lasts.
#[cfg(target_os = "linux")]
fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    // A kernel without time namespaces has no such file.
    let offsets = std::fs::read_to_string("/proc/self/timens_offsets").unwrap_or_default();
    Some(name_of(&id, &offsets))
}

/// Names a clock by the id of its boot and its offsets, such as `boottime  100000  0`.
#[cfg(target_os = "linux")]
fn name_of(id: &str, offsets: &str) -> String {
    let offset = offsets.lines().find(|line| line.starts_with("boottime")).unwrap_or_default();
    let words = std::iter::once(id.trim()).chain(offset.split_whitespace());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(not(target_os = "linux"))]
fn boot() -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn time_namespaces_of_one_boot_have_clocks_of_their_own() {
        let offsets =
            |boot| format!("monotonic           0         0\nboottime   {boot}         0\n");
        let [one, other] = ["0", "100000"].map(|boot| name_of("4f7c\n", &offsets(boot)));
        assert_eq!([&*one, &*other], ["4f7c boottime 0 0", "4f7c boottime 100000 0"]);
        assert_eq!(name_of("4f7c\n", ""), "4f7c");
    }

    #[test]
    fn readings_of_one_clock_are_in_order() {
        let clock = Clock::system();
        let (first, second) = (clock.now(), clock.clone().now());
        assert!(second.since(&first).is_some_and(|age| age < Duration::from_secs(60)));
        assert!(Clock::system().now().since(&first).is_some(), "another clock of this process");
    }
}
