//! The values of `--listen` and `--admin-listen`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Parses `8780`, `:8780`, `localhost:8780` or an address with a port.
pub(super) fn parse(text: &str) -> Result<SocketAddr, String> {
    let error = || format!("expected a port, or an IP address with a port, found `{text}`");
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port = port.parse().map_err(|_| error())?;
    match host {
        "" | "localhost" => Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        _ => Err(error()),
    }
}

/// The value of `--admin-listen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AdminListen {
    /// As without the argument: an empty variable is one that is not set.
    Free,
    Off,
    At(SocketAddr),
}

pub(super) fn parse_admin(text: &str) -> Result<AdminListen, String> {
    match text {
        "" => Ok(AdminListen::Free),
        "none" => Ok(AdminListen::Off),
        _ => parse(text).map(AdminListen::At),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_alone_is_on_loopback() {
        for text in ["8790", ":8790", "localhost:8790", "127.0.0.1:8790"] {
            assert_eq!(parse(text).unwrap().to_string(), "127.0.0.1:8790", "{text}");
        }
        assert_eq!(parse("[::1]:0").unwrap().to_string(), "[::1]:0");
        for text in ["", "host:1", "127.0.0.1", "70000", "::1", "http://127.0.0.1:1"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
