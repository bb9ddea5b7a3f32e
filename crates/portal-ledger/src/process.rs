//! [`Process`]: whether the process that holds an entry is gone.
//!
//! Safety rests on leases alone. This only spares the next claim after a process that was killed
//! the rest of its lease.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// A process, as others of its machine can tell it from those before and after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// The boot and the namespace that its id belongs to.
    system: String,
    id: u32,
    /// In ticks since the boot, so that an id that was used again is told apart.
    started: u64,
}

impl Process {
    /// This process; `None` where others could not tell.
    pub(crate) fn current() -> Option<Self> {
        // Read once: every claim has it, and compares it with each holder.
        static CURRENT: LazyLock<Option<Process>> = LazyLock::new(|| {
            let id = std::process::id();
            let (started, _) = stat(id).ok()??;
            Some(Process { system: system()?, id, started })
        });
        CURRENT.clone()
    }

    /// Whether it is gone for certain.
    pub(crate) fn is_gone(&self) -> bool {
        let current = Self::current();
        if current.is_none_or(|it| it == *self || it.system != self.system) {
            return false;
        }
        match stat(self.id) {
            Ok(Some((started, is_running))) => started != self.started || !is_running,
            Ok(None) => false,
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    }
}

#[cfg(target_os = "linux")]
fn system() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

#[cfg(not(target_os = "linux"))]
fn system() -> Option<String> {
    None
}

/// When the process started, and whether it is more than an entry that its parent has not read yet.
fn stat(id: u32) -> std::io::Result<Option<(u64, bool)>> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The second field is the program's name, in parentheses, and may contain anything.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let mut fields = fields.split(' ');
    let is_running = fields.next().is_some_and(|state| !matches!(state, "Z" | "X"));
    Ok(fields.nth(18).and_then(|started| started.parse().ok()).map(|it| (it, is_running)))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn killed_process_is_gone() {
        let current = Process::current().unwrap();
        assert!(!current.is_gone());
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (started, _) = stat(child.id()).unwrap().unwrap();
        let process = Process { id: child.id(), started, ..current.clone() };
        assert!(!process.is_gone());
        // Its id was given to another process.
        assert!(Process { started: started + 1, ..process.clone() }.is_gone());
        // Of another namespace nothing is known.
        let elsewhere = Process { system: "another".to_owned(), started: 0, ..process.clone() };
        assert!(!elsewhere.is_gone());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(process.is_gone());
    }
}
