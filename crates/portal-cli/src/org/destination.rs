//! [`Destination`]: the org that a command line selects; and [`Org`]: it with a client.

use std::net::{Ipv4Addr, SocketAddr};

use portal_http::client::{Client, SafeClient};
use portal_http::server::{PortalService, Server};
use portal_ledger::Ledger;
use portal_model::ApiVersion;
use portal_model::flow::Policy;
use tokio::task::JoinHandle;

use crate::org::data_directory;
use crate::org::target::{Hosts, Target};
use crate::report::place::Place;
use crate::sys::directories;

/// The org that the arguments select.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    /// The server in this process.
    Local(ApiVersion),
    /// Any other server.
    Remote(Box<Target>),
}

impl Destination {
    pub(crate) fn place(&self) -> &Place {
        match self {
            Self::Local(_) => &Place::Local,
            Self::Remote(target) => &target.place,
        }
    }

    /// A server that says so itself is known to be fast, and the one in this process.
    pub(crate) fn default_policy(&self) -> Policy {
        match self {
            Self::Local(_) => Policy::rehearsal(),
            Self::Remote(target) => target.policy(Policy::default()),
        }
    }

    /// Whether a create is only a rehearsal there: the real service never runs on this machine.
    pub(crate) fn is_this_machine(&self) -> bool {
        match self {
            Self::Local(_) => true,
            Self::Remote(target) => target.hosts.is_this_machine(),
        }
    }

    /// Opens a client.
    pub(crate) async fn open(self, policy: Policy) -> anyhow::Result<Org> {
        let (target, server) = match self {
            Self::Local(version) => {
                let (server, target) = Local::start(version).await?;
                (target, Some(server))
            }
            Self::Remote(target) => (*target, None),
        };
        Ok(Org { client: target.client(policy)?, target, _server: server })
    }
}

/// An org with a client for it.
#[derive(Debug)]
pub(crate) struct Org {
    pub(crate) client: Client,
    pub(crate) target: Target,
    /// That of `--local`, which stops when dropped.
    _server: Option<Local>,
}

impl Org {
    /// The org, with the API that the accounts server named if flags and environment selected it.
    pub(crate) fn place(&self) -> String {
        match (&self.target.place, self.client.api_url()) {
            (Place::Explicit(_), Some(url)) => format!("the org at {url}"),
            (place, _) => place.to_string(),
        }
    }

    /// Makes creates and renames in the org safe with `ledger`.
    pub(crate) fn safe(&self, ledger: &Ledger) -> SafeClient {
        self.target.safe(self.client.clone(), ledger, None)
    }
}

/// A server that stops when dropped. Any number of processes may run one over the same directory.
#[derive(Debug)]
pub(crate) struct Local(JoinHandle<()>);

impl Local {
    pub(crate) async fn start(version: ApiVersion) -> anyhow::Result<(Self, Target)> {
        let directory = directories::data()?.join("local");
        let (registry, org) = data_directory::open_default(&directory).await?;
        let server = Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let target = Target {
            place: Place::Local,
            hosts: Hosts::at(server.url(), server.url()),
            credential: org.credential(),
            org: None,
            version,
            ca_file: None,
        };
        let service = PortalService::new(registry);
        Ok((Self(tokio::spawn(server.serve(service, std::future::pending()))), target))
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.0.abort();
    }
}
