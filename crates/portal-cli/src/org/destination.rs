//! [`Destination`]: the org that a command line selects; and [`Org`]: it with a client.

use portal_http::client::{Client, SafeClient};
use portal_ledger::Ledger;
use portal_model::ApiVersion;
use portal_model::flow::Policy;

use crate::org::local::Local;
use crate::org::target::Target;
use crate::report::place::Place;

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
            Self::Remote(target) => target.is_this_machine(),
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
