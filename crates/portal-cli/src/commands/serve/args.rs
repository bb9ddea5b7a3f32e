//! The arguments of `portal serve`: what is served, where and how.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, RangedU64ValueParser, TypedValueParser as _};
use portal_http::client::BaseUrl;
use portal_http::server::{FaultSpec, ServerLimits};
use portal_model::Secret;

use super::address::{self, AdminListen, Listen};
use super::shell::Shell;
use crate::commands::fault_arg;
use crate::terminal::printer::Output;

/// The heading of what rehearsing alone does not need.
const OPERATING: &str = "Operating";

/// Serve the API on this machine, to rehearse on
///
/// Without a seed file, new data has one org, whose credentials `portal serve env` prints; a database
/// has the orgs of its seeds. `portal admin` changes orgs, users and credentials while it runs, and
/// `portal admin backup` copies a data directory in use. Without either, everything is gone when it
/// ends.
///
/// `portal requests` and the page that is printed at the start show what it has served. The page
/// switches faults on and off too; its address also has /healthz, /readyz and /metrics.
///
/// A fault has a METHOD (GET, POST or PUT for calls under /crm, TOKEN for the token endpoint; all
/// without one), a POINT (request: before anything is done; committed: done, but no response sent
/// yet), an ACTION (drop, delay=300ms, 429, 429=SECONDS, 500, html, cut, expire, and stale=5s for
/// lists) and a WHICH (N/M: N of every M matching calls; @N: the Nth only; @N+: the Nth and later;
/// all without one).
///
/// # Examples
///
///     portal serve --data ./portals --fault "POST committed:drop:1/2"
///     portal serve -- npm test
///
/// # See also
/// requests, admin
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(super) subcommand: Option<Subcommand>,
    /// Port or address to listen on; 0: any free port, as with PROGRAM [default: 8780]
    #[arg(long, value_name = "ADDRESS", value_parser = Listen::parse)]
    pub(super) listen: Option<Listen>,
    /// Keep portals, orgs and credentials in this directory
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Keep portals, orgs and credentials in this PostgreSQL database, which servers may share
    #[arg(long, help_heading = OPERATING, value_name = "URL", env = "PORTAL_DATABASE_URL", hide_env_values = true)]
    #[arg(value_parser = NonEmptyStringValueParser::new().map(Secret::new))]
    #[arg(conflicts_with = "data")]
    pub(super) database_url: Option<Secret>,
    /// Serve what is left if the data directory has lost portals that were acknowledged
    #[arg(long, help_heading = OPERATING, requires = "data")]
    pub(super) accept_loss: bool,
    /// Serve the orgs in this file
    #[arg(long, value_name = "FILE")]
    pub(super) seed: Option<PathBuf>,
    /// Lead PROGRAM and `serve env` to this org of the seed [default: the only one]
    #[arg(long, help_heading = OPERATING, value_name = "NAME", requires = "seed")]
    pub(super) org: Option<String>,
    /// Change kept orgs, users and secrets to the seed's, and revoke credentials it lacks
    #[arg(long, help_heading = OPERATING, requires = "seed")]
    pub(super) seed_replaces: bool,
    /// The URL that clients reach it by, where it stands behind a proxy
    #[arg(long, help_heading = OPERATING, value_name = "URL", env = "PORTAL_PUBLIC_URL", hide_env_values = true)]
    pub(super) public_url: Option<BaseUrl>,
    /// Serve over TLS with this certificate, followed by those between it and a root, in PEM form
    #[arg(
        long,
        help_heading = OPERATING,
        value_name = "FILE",
        requires = "tls_key",
        env = "PORTAL_TLS_CERT",
        hide_env_values = true
    )]
    pub(super) tls_cert: Option<PathBuf>,
    /// The private key of the certificate; both files are read again when they change
    #[arg(
        long,
        help_heading = OPERATING,
        value_name = "FILE",
        requires = "tls_cert",
        env = "PORTAL_TLS_KEY",
        hide_env_values = true
    )]
    pub(super) tls_key: Option<PathBuf>,
    /// Accept plain HTTP from other machines, forwarded by a proxy that terminates TLS
    #[arg(long, help_heading = OPERATING)]
    pub(super) behind_proxy: bool,
    /// Serve requests to this host name on a loopback address too; repeatable
    #[arg(long = "allow-host", help_heading = OPERATING, value_name = "NAME", value_parser = host_name)]
    pub(super) allowed_hosts: Vec<String>,
    /// Limit concurrent connections
    #[arg(
        long,
        help_heading = OPERATING,
        value_name = "N",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..),
        default_value_t = ServerLimits::default().max_connections
    )]
    pub(super) max_connections: usize,
    /// Wait this long for open requests on shutdown
    #[arg(long, help_heading = OPERATING, value_name = "DURATION", default_value_t = ServerLimits::default().shutdown_timeout.into())]
    pub(super) shutdown_timeout: humantime::Duration,
    /// Refuse `Authorization: Bearer`, accepted beside `Zoho-oauthtoken`
    #[arg(long, hide_short_help = true)]
    pub(super) refuse_bearer: bool,
    /// Enforce the service's limits on tokens, calls at once and calls a day
    #[arg(long, hide_short_help = true)]
    pub(super) enforce_limits: bool,
    // Not a doc comment: rustdoc takes the grammar's brackets for a link.
    #[arg(
        long = "fault",
        value_name = "SPEC",
        value_parser = fault_arg::parse,
        help = "Fail on purpose: [METHOD ]POINT:ACTION[:WHICH]; repeatable"
    )]
    pub(super) faults: Vec<FaultSpec>,
    /// Address of the page, its JSON, health and metrics, or `none` [default: 127.0.0.1, a free port from 8781]
    #[arg(long, help_heading = OPERATING, value_name = "ADDRESS", env = "PORTAL_ADMIN_LISTEN", hide_env_values = true, value_parser = address::parse_admin)]
    pub(super) admin_listen: Option<AdminListen>,
    /// Shut down when the process that started it has ended, however it did
    #[cfg(unix)]
    #[arg(long, help_heading = OPERATING)]
    pub(super) exit_with_parent: bool,
    /// Log each call to stderr, and warnings in the same form [default: text, where stderr is a terminal]
    #[arg(long, help_heading = OPERATING, value_name = "FORMAT")]
    pub(crate) log: Option<Output>,
    /// Run this program with the environment of the server, and end with it
    #[arg(last = true, value_name = "PROGRAM")]
    pub(super) command: Vec<OsString>,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Subcommand {
    /// Print the environment of a running server, for a shell
    Env {
        /// The port of the server [default: the one that runs]
        #[arg(long)]
        port: Option<u16>,
        /// The shell that reads it: sh, which fish reads too, or powershell, by `… | Out-String | iex`
        #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
        shell: Shell,
        /// The org of the server's seed [default: that of the server's `--org`, or the only one]
        #[arg(long, value_name = "NAME")]
        org: Option<String>,
    },
    /// Store a profile for each org of a running server
    Profiles {
        /// The port of the server [default: the one that runs]
        #[arg(long)]
        port: Option<u16>,
    },
    /// Become PROGRAM, which ends with the server; see `child`
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Tethered {
        /// The process of the server
        server: i32,
        /// PROGRAM and its arguments
        /// What it becomes
        #[arg(last = true)]
        program: Vec<OsString>,
    },
}

impl Args {
    pub(super) fn listen(&self) -> Listen {
        self.listen.unwrap_or_else(|| {
            // For a test run a free port does, and any number of them can run at once.
            let port = if self.command.is_empty() { 8780 } else { 0 };
            Listen::loopback(port)
        })
    }

    pub(super) fn limits(&self) -> ServerLimits {
        let mut limits = ServerLimits::default();
        limits.max_connections = self.max_connections;
        limits.shutdown_timeout = self.shutdown_timeout.into();
        if self.behind_proxy {
            // All connections come from the proxy.
            limits.max_connections_per_peer = None;
        }
        limits
    }
}

fn host_name(text: &str) -> Result<String, &'static str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
    if text.is_empty() || !text.chars().all(is_name) {
        return Err("expected a host name, such as portals.example");
    }
    Ok(text.to_owned())
}
