//! The values of `--listen` and `--admin-listen`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use portal_http::server::{BindError, Listener};

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listen {
    At(SocketAddr),
    /// On both families: clients resolve the name to either.
    Localhost(u16),
}

impl Listen {
    /// Parses `8780`, `:8780`, `localhost:8780` or an address with a port.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let error = || {
            format!("expected a port, or localhost or an IP address with a port, found `{text}`")
        };
        if let Ok(address) = text.parse() {
            return Ok(Self::At(address));
        }
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let port = port.parse().map_err(|_| error())?;
        match host {
            "" => Ok(Self::loopback(port)),
            "localhost" => Ok(Self::Localhost(port)),
            _ => Err(error()),
        }
    }

    pub(super) fn loopback(port: u16) -> Self {
        Self::At(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }

    pub(super) fn is_loopback(self) -> bool {
        match self {
            Self::At(address) => address.ip().to_canonical().is_loopback(),
            Self::Localhost(_) => true,
        }
    }

    pub(super) async fn bind(self) -> Result<Listener, BindError> {
        match self {
            Self::At(address) => Listener::bind(address).await,
            Self::Localhost(port) => Listener::bind_localhost(port).await,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => address.fmt(f),
            Self::Localhost(port) => write!(f, "localhost:{port}"),
        }
    }
}

/// The value of `--admin-listen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AdminListen {
    Off,
    At(Listen),
}

pub(super) fn parse_admin(text: &str) -> Result<AdminListen, String> {
    match text {
        "none" => Ok(AdminListen::Off),
        _ => Listen::parse(text).map(AdminListen::At),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_alone_is_on_loopback() {
        for text in ["8790", ":8790", "127.0.0.1:8790"] {
            assert_eq!(Listen::parse(text).unwrap().to_string(), "127.0.0.1:8790", "{text}");
        }
        assert_eq!(Listen::parse("localhost:8790"), Ok(Listen::Localhost(8790)));
        assert_eq!(Listen::parse("[::1]:0").unwrap().to_string(), "[::1]:0");
        for text in ["", "host:1", "127.0.0.1", "70000", "::1", "http://127.0.0.1:1", "localhost"] {
            assert!(Listen::parse(text).is_err(), "{text}");
        }
    }
}
