//! The layers of a connection: TCP, prepared for what it is used for, and TLS over it.

use std::error::Error;
use std::fmt::Debug;
use std::io;
use std::time::Duration;

use portal_model::flow::NotSent;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// A kind of [`NotSent`], to be made of its text.
pub(super) type Kind = fn(String) -> NotSent;

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// Any number of requests that may be repeated.
    Pool,
    /// One attempt, which ends at this time at the latest.
    Attempt(Instant),
}

/// A connection whose end would not be the end of an attempt.
#[derive(Debug, thiserror::Error)]
#[error("cannot set SO_LINGER")]
pub(super) struct NoLinger(#[source] io::Error);

/// A TCP connection, or an encrypted layer over one.
pub(super) trait Layer: AsyncRead + AsyncWrite + Debug + Send + Unpin {
    /// The TCP connection.
    fn socket(&self) -> &TcpStream;
}

pub(super) type BoxLayer = Box<dyn Layer>;

impl Layer for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

/// Turns a new connection into the lowest layer, before a byte is sent.
///
/// Rule 9: what an attempt has sent must not arrive after its end. Without the linger time of zero
/// the kernel would deliver whatever is in its buffers after the socket was closed, and even after
/// the process has died: for many minutes if packets get lost.
pub(super) fn prepare(tcp: TcpStream, purpose: Purpose) -> Result<BoxLayer, NoLinger> {
    if let Purpose::Attempt(end) = purpose {
        let socket = SockRef::from(&tcp);
        socket.set_linger(Some(Duration::ZERO)).map_err(NoLinger)?;
        let left = end.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
        // A process that is frozen closes nothing; its kernel gives up by itself. Only some
        // systems have this.
        #[cfg(any(target_os = "android", target_os = "linux"))]
        let _ = socket.set_tcp_user_timeout(Some(left));
        #[cfg(not(any(target_os = "android", target_os = "linux")))]
        let _ = left;
    }
    Ok(Box::new(tcp))
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    #[tokio::test]
    async fn attempt_without_linger_sends_nothing() {
        use std::io::Read as _;
        use std::net;
        use std::os::fd::OwnedFd;

        use super::*;

        // A pipe is no socket, so SO_LINGER can't be set.
        let pipe = || {
            let (read, write) = io::pipe().unwrap();
            let tcp = net::TcpStream::from(OwnedFd::from(write));
            tcp.set_nonblocking(true).unwrap();
            (TcpStream::from_std(tcp).unwrap(), read)
        };
        let (tcp, mut written) = pipe();
        assert!(prepare(tcp, Purpose::Attempt(Instant::now())).is_err());
        let mut bytes = Vec::new();
        written.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"");
        assert!(prepare(pipe().0, Purpose::Pool).is_ok());
    }
}
