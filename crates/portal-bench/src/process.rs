//! [`Process`]: a child process, and what it uses.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A process that is killed when this is dropped: whatever it keeps is removed anyway.
pub(crate) struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = BufReader::new(child.stdout.take().expect("its stdout is a pipe"));
        Self { child, stdout }
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        let length = self.stdout.read_line(&mut line).expect("a line of text");
        assert_ne!(length, 0, "it ended without a word");
        line
    }

    /// The CPU time that all of its threads have used so far, in seconds; NaN where there is no
    /// /proc.
    pub(crate) fn cpu(&self) -> f64 {
        cpu(&self.child.id().to_string(), 11)
    }

    /// The memory that is its own or shared, in MiB; NaN where there is no /proc.
    pub(crate) fn memory(&self) -> f64 {
        let kibibytes = || -> Option<f64> {
            let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim().strip_suffix("kB")?.trim().parse().ok()
        };
        kibibytes().map_or(f64::NAN, |kibibytes| kibibytes / 1024.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The CPU time of the child processes that have ended and were waited for, in seconds; NaN where
/// there is no /proc.
pub(crate) fn cpu_of_ended() -> f64 {
    cpu("self", 13)
}

/// The sum of two fields of `stat` after the state.
fn cpu(process: &str, skipped: usize) -> f64 {
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name before them has any characters.
        let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(skipped);
        let [user, system] = [fields.next()?, fields.next()?];
        Some(user.parse::<f64>().ok()? + system.parse::<f64>().ok()?)
    };
    // Linux counts a hundred a second for /proc, whatever its own tick is.
    ticks().map_or(f64::NAN, |ticks| ticks / 100.0)
}

/// The CPU time that this process has used so far, in seconds.
#[cfg(unix)]
pub(crate) fn own_cpu() -> f64 {
    use rustix::time::{ClockId, clock_gettime};
    let time = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime));
    time.expect("a time that has passed").as_secs_f64()
}

/// It is unknown here.
#[cfg(not(unix))]
pub(crate) const fn own_cpu() -> f64 {
    f64::NAN
}

/// How many processors there are.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
