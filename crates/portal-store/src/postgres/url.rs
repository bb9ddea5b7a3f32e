//! [`DatabaseUrl`]: the database's address, parsed from a URL.

use std::fmt;

use percent_encoding::percent_decode_str;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::tls::{self, Trust};
use crate::error::RegistryError;

/// Parameters for the driver, in seconds; those of a URL come later and take precedence.
///
/// - `tcp_user_timeout`: the kernel must not deliver a statement that is already in doubt minutes
///   later.
/// - `keepalives`: a peer that vanished is detected after about a minute.
/// - `target_session_attrs`: with several hosts, use the one that accepts writes.
const DEFAULTS: &str = "application_name=portal&connect_timeout=3&tcp_user_timeout=10\
    &keepalives_idle=30&keepalives_interval=10&keepalives_retries=3\
    &target_session_attrs=read-write";

/// A PostgreSQL database, how to connect to it, and which of its certificates to trust. Shown without
/// the password.
///
/// ```
/// use portal_store::DatabaseUrl;
///
/// let url = DatabaseUrl::parse("postgres://me:secret@db.example.com/portals?sslmode=verify-full")?;
/// assert_eq!(url.to_string(), "db.example.com:5432/portals");
/// let (config, tls) = url.into_parts(); // for tokio-postgres, or a pool over it
/// # Ok::<(), portal_store::RegistryError>(())
/// ```
#[derive(Clone)]
pub struct DatabaseUrl {
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
}

impl DatabaseUrl {
    /// Parses `postgres://USER:PASSWORD@HOST/DATABASE`, with `sslmode` `disable`, `prefer` (the
    /// default), `require` or `verify-full`, and `sslrootcert` for the last.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`]. The message never contains a part of the URL that may hold
    /// the password.
    pub fn parse(url: &str) -> Result<Self, RegistryError> {
        let (config, trust) = parse(url)
            .map_err(|why| RegistryError::NotApplied(format!("invalid database URL: {why}")))?;
        let tls = tls::connector(&trust).map_err(RegistryError::NotApplied)?;
        Ok(Self { config, tls })
    }

    /// The parameters of a connection, and its TLS.
    pub fn into_parts(self) -> (tokio_postgres::Config, MakeRustlsConnect) {
        (self.config, self.tls)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for DatabaseUrl {
    /// Shows the hosts and the name of the database.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            let comma = if index == 0 { "" } else { "," };
            match host {
                Host::Tcp(host) => write!(f, "{comma}{host}:{port}")?,
                #[cfg(unix)]
                Host::Unix(path) => write!(f, "{comma}{}", path.display())?,
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

fn parse(url: &str) -> Result<(tokio_postgres::Config, Trust), String> {
    const EXAMPLE: &str = "postgres://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full";
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(format!("expected {EXAMPLE}"));
    }
    // A password may contain a question mark.
    let (credentials, address) = url.split_at(url.find('@').map_or(0, |at| at + 1));
    if address.contains('@') {
        return Err("expected one @, before the host: write any other as %40".to_owned());
    }
    let (address, parameters) = address.split_once('?').unwrap_or((address, ""));
    let mut others = Vec::new();
    let (mut mode, mut roots) = (None, None);
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            // The driver has no `verify-full`.
            Some(("sslmode", value)) => mode = Some(value),
            Some(("sslrootcert", value)) => {
                roots = Some(percent_decode_str(value).decode_utf8_lossy().into_owned());
            }
            Some(_) => others.push(parameter),
            None => return Err("expected parameters of the form NAME=VALUE".to_owned()),
        }
    }
    // Errors of the driver quote the name of an unknown parameter, but no value.
    let mut config: tokio_postgres::Config =
        format!("{credentials}{address}?{DEFAULTS}&{}", others.join("&"))
            .parse()
            .map_err(|error| super::failure::describe(&error))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err("expected a host".to_owned());
    }
    if config.get_user().is_none() {
        return Err("expected a user".to_owned());
    }
    let (mode, trust) = match (mode.unwrap_or("prefer"), roots.as_deref()) {
        ("disable", None) => (SslMode::Disable, Trust::Anyone),
        ("prefer", None) => (SslMode::Prefer, Trust::Anyone),
        ("require", None) => (SslMode::Require, Trust::Anyone),
        ("verify-full", None | Some("system")) => (SslMode::Require, Trust::System),
        ("verify-full", Some(roots)) => (SslMode::Require, Trust::File(roots.into())),
        ("disable" | "prefer" | "require", Some(_)) => {
            return Err("sslrootcert needs sslmode=verify-full".to_owned());
        }
        (other, _) => {
            return Err(format!(
                "expected sslmode disable, prefer, require or verify-full, found {other:?}"
            ));
        }
    };
    // PostgreSQL has no TLS over Unix sockets.
    let is_local = config.get_hostaddrs().is_empty()
        && config.get_hosts().iter().all(|host| !matches!(host, Host::Tcp(_)));
    config.ssl_mode(if is_local { SslMode::Disable } else { mode });
    Ok((config, trust))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(parameters: &str) -> (SslMode, Trust) {
        let (config, trust) = parse(&format!("postgres://me:hush@db/portals{parameters}")).unwrap();
        (config.get_ssl_mode(), trust)
    }

    #[test]
    fn sslmode_decides_on_tls_and_trust() {
        for (parameters, expected) in [
            ("", (SslMode::Prefer, Trust::Anyone)),
            ("?sslmode=prefer", (SslMode::Prefer, Trust::Anyone)),
            ("?sslmode=disable", (SslMode::Disable, Trust::Anyone)),
            ("?sslmode=require", (SslMode::Require, Trust::Anyone)),
            ("?sslmode=verify-full", (SslMode::Require, Trust::System)),
            ("?sslmode=verify-full&sslrootcert=system", (SslMode::Require, Trust::System)),
            (
                "?sslrootcert=%2Fetc%2Fdb.pem&sslmode=verify-full&connect_timeout=1",
                (SslMode::Require, Trust::File("/etc/db.pem".into())),
            ),
        ] {
            assert_eq!(parsed(parameters), expected, "{parameters}");
        }
    }

    #[test]
    fn wrong_url_is_one_clause_without_password() {
        for (url, expected) in [
            ("host=db password=hush", "expected postgres://USER"),
            ("mysql://me:hush@db/portals", "expected postgres://USER"),
            ("postgres://db/portals", "expected a user"),
            ("postgres://me:hush@/portals", "expected a host"),
            ("postgres://me:hush@db:port/portals", "invalid value for option `port`"),
            ("postgres://me:hush@db/portals?sslmode=verify-ca", "found \"verify-ca\""),
            ("postgres://me:hush@db/portals?sslrootcert=x", "needs sslmode=verify-full"),
            ("postgres://me:hush@db/portals?pool=3", "unknown option `pool`"),
            ("postgres://me:hu?sh=hush@db/portals?pool=3", "unknown option `pool`"),
            ("postgres://me:hu@sh@db/hush", "write any other as %40"),
            ("postgres://me:a@hush?b=c@db/portals", "write any other as %40"),
            ("postgres://me:hush@db/portals?pool", "expected parameters of the form NAME=VALUE"),
        ] {
            let error = match DatabaseUrl::parse(url) {
                Err(error) => error.to_string(),
                Ok(_) => panic!("{url}"),
            };
            assert!(error.starts_with("invalid database URL: "), "{error}");
            assert!(error.contains(expected), "{url}: {error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn target_shows_hosts_and_database_only() {
        let url = "postgres://me:hush@db1,db2:6543/portals?sslmode=disable";
        assert_eq!(DatabaseUrl::parse(url).unwrap().to_string(), "db1:5432,db2:6543/portals");
    }

    #[cfg(unix)]
    #[test]
    fn unix_socket_needs_no_tls() {
        let (config, _) =
            parse("postgres://me@%2Frun%2Fpostgresql/portals?sslmode=require").unwrap();
        assert_eq!(config.get_ssl_mode(), SslMode::Disable);
    }
}
