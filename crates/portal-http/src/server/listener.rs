//! [`Listener`]: the sockets of a server.

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::Poll;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Where a server listens: at an address, or at `localhost` of both families.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    sockets: Vec<TcpListener>,
}

impl Listener {
    /// Listens at `address`; port 0 selects a free port.
    ///
    /// # Errors
    /// [`BindError`] if the address is in use or cannot be bound.
    #[expect(clippy::unused_async, reason = "a socket belongs to a runtime")]
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        listen(address).map(Self::from).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address },
            _ => BindError::Other { address, source },
        })
    }

    /// Listens at `port` of 127.0.0.1 and of `::1`, since clients resolve `localhost` to either; of the
    /// one that there is on a machine without the other. Port 0 selects a port that is free on both.
    ///
    /// # Errors
    /// [`BindError`] if the port is in use on either.
    pub async fn bind_localhost(port: u16) -> Result<Self, BindError> {
        /// How often to look for a port that is free on both.
        const TRIES: u32 = 16;
        let mut tries = 1..=TRIES;
        loop {
            let mut first = match Self::bind((Ipv4Addr::LOCALHOST, port).into()).await {
                Err(BindError::Other { .. }) => {
                    return Self::bind((Ipv6Addr::LOCALHOST, port).into()).await;
                }
                bound => bound?,
            };
            match Self::bind((Ipv6Addr::LOCALHOST, first.address.port()).into()).await {
                Ok(second) => first.sockets.extend(second.sockets),
                Err(BindError::InUse { .. }) if port == 0 && tries.next().is_some() => continue,
                Err(error @ BindError::InUse { .. }) => return Err(error),
                Err(BindError::Other { .. }) => {}
            }
            return Ok(first);
        }
    }

    /// The address; of `localhost` that of the first family.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// Those of [`TcpListener::accept`].
    ///
    /// # Cancel safety
    /// Dropping the future loses no connection.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|context| {
            let mut polled = self.sockets.iter().map(|socket| socket.poll_accept(context));
            polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
        })
        .await
    }
}

impl From<TcpListener> for Listener {
    fn from(socket: TcpListener) -> Self {
        // What has no address that is known counts as one that others can reach.
        let unknown = |_| (Ipv4Addr::UNSPECIFIED, 0).into();
        Self { address: socket.local_addr().unwrap_or_else(unknown), sockets: vec![socket] }
    }
}

/// Connections that the kernel completes before they are accepted. With the 128 of
/// `TcpListener::bind`, a burst overflows it: the kernel then drops what a client sends to connect,
/// and the client tries again after a second, then two, then four. Linux lowers it to `somaxconn`.
pub(super) const BACKLOG: u32 = 4096;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // As `TcpListener::bind` does: on Windows it would allow two servers on one port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Why a [`Server`](super::Server) cannot listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another process listens on the address.
    #[error(
        "{address} is in use: stop the process that listens there or choose another port (0 selects a free one)"
    )]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("failed to listen on {address}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
}
