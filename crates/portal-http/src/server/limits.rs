//! [`ServerLimits`]: connection limits and timeouts, and the file descriptors they depend on.

use std::io;
use std::time::Duration;

/// Connection limits and timeouts of a [`Server`](super::Server).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerLimits {
    /// Concurrent connections. Once they are all in use, the connection that has waited longest
    /// for a complete head is closed for each new one. Default: 1024, or fewer if the process may
    /// not open that many files: see [`raise_nofile_limit`].
    pub max_connections: usize,
    /// Concurrent connections of one address (IPv6: of one /64 network), at most half of all. Loopback
    /// addresses are exempt. `None`, for a server behind a proxy, removes the limit. Default: 256.
    pub max_connections_per_peer: Option<usize>,
    /// Time for a TLS handshake. Default: 10 s.
    pub handshake_timeout: Duration,
    /// Time to receive the head of a request, including the wait for it on an idle connection.
    /// Default: 30 s.
    pub header_read_timeout: Duration,
    /// Largest head of a request, in bytes. Default: 16 KiB.
    pub max_header_size: usize,
    /// Time to receive the body of a request, from the end of its head. Default: 30 s.
    pub body_timeout: Duration,
    /// Time in which a peer must accept some part of its response. Default: 30 s.
    pub write_timeout: Duration,
    /// Replaces the three timeouts above, if it is shorter, while more than three quarters of the
    /// connections are in use. Default: 5 s.
    pub scarce_timeout: Duration,
    /// Time for open requests to complete after shutdown has begun. Default: 10 s.
    pub shutdown_timeout: Duration,
    /// Time to receive the rest of a request's body after shutdown has begun. A connection without
    /// a complete head is closed at once. Default: 2 s.
    pub shutdown_body_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_connections_per_peer: Some(256),
            handshake_timeout: Duration::from_secs(10),
            header_read_timeout: Duration::from_secs(30),
            max_header_size: 16 * 1024,
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            scarce_timeout: Duration::from_secs(5),
            shutdown_timeout: Duration::from_secs(10),
            shutdown_body_timeout: Duration::from_secs(2),
        }
    }
}

impl ServerLimits {
    /// [`max_connections`](Self::max_connections), if the process may open that many files.
    pub(super) fn effective_max_connections(&self) -> usize {
        let available = nofile_limit().map_or(usize::MAX, available_for_connections);
        self.max_connections.min(available).max(1)
    }
}

/// File descriptors that connections leave to the rest of the process: its database, its log, and
/// the connections that are accepted before another one is closed.
const RESERVED_FILES: u64 = 64;

fn available_for_connections(files: u64) -> usize {
    let available = files.saturating_sub(RESERVED_FILES).max(files / 2).max(1);
    usize::try_from(available).unwrap_or(usize::MAX)
}

#[cfg(unix)]
fn nofile_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
fn nofile_limit() -> Option<u64> {
    None
}

/// Raises the soft limit on open files of this process to its hard limit. The usual soft limit,
/// 1024 or 256, is less than a server needs for [`ServerLimits::max_connections`].
///
/// Call it once when a server process starts. It has no effect on Windows.
///
/// # Errors
/// The error of the system; the limit is unchanged.
pub fn raise_nofile_limit() -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        // macOS accepts no more than this, whatever hard limit it reports.
        let most = if cfg!(target_vendor = "apple") { 10_240 } else { u64::MAX };

        let mut limit = getrlimit(Resource::Nofile);
        let target = limit.maximum.unwrap_or(u64::MAX).min(most);
        if limit.current.is_some_and(|soft| soft < target) {
            limit.current = Some(target);
            setrlimit(Resource::Nofile, limit)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{body, connections, listener, log_limit, service};
    use super::*;

    #[test]
    fn connections_leave_descriptors_to_process() {
        assert_eq!(available_for_connections(1024), 960);
        assert_eq!(available_for_connections(256), 192);
        assert_eq!(available_for_connections(64), 32);
        assert_eq!(available_for_connections(0), 1);
    }

    /// As the documentation writes it.
    fn written(value: Duration) -> String {
        match value.subsec_millis() {
            0 => format!("{} s", value.as_secs()),
            _ => format!("{} ms", value.as_millis()),
        }
    }

    fn written_bytes(bytes: usize) -> String {
        if bytes >= 1024 * 1024 {
            format!("{} MiB", bytes / 1024 / 1024)
        } else {
            format!("{} KiB", bytes / 1024)
        }
    }

    /// Name and default of every field.
    fn fields() -> Vec<(&'static str, String)> {
        // In full, so that a new field does not compile until it is documented.
        let ServerLimits {
            max_connections,
            max_connections_per_peer,
            handshake_timeout,
            header_read_timeout,
            max_header_size,
            body_timeout,
            write_timeout,
            scarce_timeout,
            shutdown_timeout,
            shutdown_body_timeout,
        } = ServerLimits::default();
        vec![
            ("max_connections", max_connections.to_string()),
            ("max_connections_per_peer", max_connections_per_peer.unwrap().to_string()),
            ("handshake_timeout", written(handshake_timeout)),
            ("header_read_timeout", written(header_read_timeout)),
            ("max_header_size", written_bytes(max_header_size)),
            ("body_timeout", written(body_timeout)),
            ("write_timeout", written(write_timeout)),
            ("scarce_timeout", written(scarce_timeout)),
            ("shutdown_timeout", written(shutdown_timeout)),
            ("shutdown_body_timeout", written(shutdown_body_timeout)),
        ]
    }

    #[test]
    fn readme_lists_every_limit_with_its_default() {
        let mut limits = fields();
        limits.extend([
            ("BACKLOG", listener::BACKLOG.to_string()),
            ("max_in_flight", service::DEFAULT_MAX_IN_FLIGHT.to_string()),
            ("BODY_LIMIT", written_bytes(body::BODY_LIMIT)),
            ("DISCARD_LIMIT", written_bytes(body::DISCARD_LIMIT)),
            ("DISCARD_TIMEOUT", written(body::DISCARD_TIMEOUT)),
            ("HEAD_GRACE", written(connections::HEAD_GRACE)),
            ("BODY_GRACE", written(connections::BODY_GRACE)),
            ("RESERVED_FILES", RESERVED_FILES.to_string()),
            ("LOG_INTERVAL", written(log_limit::LOG_INTERVAL)),
        ]);
        let readme = include_str!("../../README.md").lines();
        let table =
            readme.skip_while(|line| *line != "| limit | default | flag | meaning |").skip(2);
        let rows = table.take_while(|line| line.starts_with('|')).map(|row| {
            let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`'));
            (cells.nth(1).unwrap(), cells.next().unwrap().to_owned())
        });
        assert_eq!(rows.collect::<Vec<_>>(), limits);
    }

    #[test]
    fn rustdoc_of_every_limit_states_its_default() {
        let source = include_str!("limits.rs");
        for (name, default) in fields() {
            let docs = source.split(&format!("    pub {name}: ")).next().unwrap();
            let documented = docs.rsplit("Default: ").next().unwrap();
            assert!(documented.starts_with(&default), "{name}: {documented}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn raised_soft_limit_is_not_below_before() {
        let before = nofile_limit();
        raise_nofile_limit().unwrap();
        assert!(nofile_limit().is_none_or(|now| before.is_some_and(|before| now >= before)));
    }
}
