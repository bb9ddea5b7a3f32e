//! Where to: `--local`, `--profile P`, or flags and environment.

mod environment;

use std::fmt;
use std::path::PathBuf;

use portal_http::client::{
    BaseUrl, Client, ClientBuilder, Credential, FileTokenCache, HttpTransport, Proxy,
};
use portal_model::datacenter::ApiDomain;
use portal_model::flow::Policy;
use portal_model::{ApiVersion, DataCenter};
use serde::{Deserialize, Serialize};

use self::environment::Variables;
use crate::failure::Failure;
use crate::folders;
use crate::local::Local;
use crate::profile::Profiles;

/// Where to. One source's secret never goes to another's host: `--local` and `--profile` ignore
/// the hosts and credentials of the environment.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Where to")]
pub(crate) struct TargetArgs {
    /// Rehearse: the server runs in this process and keeps its portals in your data folder
    #[arg(long, conflicts_with_all = ["profile", "data_center", "api_domain", "accounts_url", "client_id"])]
    pub(crate) local: bool,
    /// The org of a profile, as `portal login` kept it
    #[arg(long, value_name = "NAME", conflicts_with_all = ["data_center", "api_domain", "accounts_url", "client_id"])]
    pub(crate) profile: Option<String>,
    /// Where the org lives: us, eu, in, au, jp, cn, ca or sa
    #[arg(long, value_name = "CODE")]
    pub(crate) data_center: Option<DataCenter>,
    /// Base URL of the API, where --data-center doesn't name it
    #[arg(long, value_name = "URL")]
    pub(crate) api_domain: Option<String>,
    /// Base URL of the accounts server, likewise
    #[arg(long, value_name = "URL")]
    pub(crate) accounts_url: Option<String>,
    /// The client that the credentials belong to
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// The version of the API, v4 to v8
    #[arg(long, value_name = "VERSION", default_value_t)]
    pub(crate) api_version: ApiVersion,
    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// The help about what the environment says, secrets above all.
pub(crate) const SECRETS: &str = "\
Without --local and --profile the environment is read too: PORTAL_PROFILE, or PORTAL_API_DOMAIN, \
PORTAL_ACCOUNTS_URL, PORTAL_CLIENT_ID and the secrets, which are never flags: PORTAL_CLIENT_SECRET and \
PORTAL_REFRESH_TOKEN, or PORTAL_ACCESS_TOKEN.";

/// Which org a create went to, as far as it can be written down without a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    Local,
    Profile(String),
    /// By flags and environment.
    Explicit {
        api: Option<String>,
        accounts: Option<String>,
        client_id: Option<String>,
        /// What tells refresh tokens apart: one client can have those of many orgs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credential: Option<String>,
    },
}

impl Place {
    /// The profile, where it is one.
    pub(crate) fn profile(&self) -> Option<&str> {
        match self {
            Self::Profile(name) => Some(name),
            Self::Local | Self::Explicit { .. } => None,
        }
    }
}

/// `the local org`, `the org of profile acme`, `the org at https://www.zohoapis.eu`
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("the local org"),
            Self::Profile(name) => write!(f, "the org of profile {name}"),
            Self::Explicit { api: Some(url), .. } => write!(f, "the org at {url}"),
            Self::Explicit { .. } => f.write_str("the org of the credentials"),
        }
    }
}

/// An org that is not in this process: where its servers are, and what entitles to it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) place: Place,
    pub(crate) api: ApiDomain,
    pub(crate) accounts: Option<String>,
    pub(crate) credential: Credential,
    pub(crate) version: ApiVersion,
    pub(crate) ca_file: Option<PathBuf>,
}

/// An org that can be talked to.
#[derive(Debug)]
pub(crate) struct Org {
    pub(crate) client: Client,
    pub(crate) place: Place,
    /// The server, where it is in this process.
    _local: Option<Local>,
}

/// Where the arguments lead.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    /// The server in this process.
    Local,
    /// Anywhere else.
    Remote(Box<Target>),
}

impl TargetArgs {
    /// The arguments that lead to `place` again.
    pub(crate) fn again(&self, place: &Place) -> Self {
        match place {
            Place::Local => Self { local: true, ..self.common() },
            Place::Profile(name) => Self { profile: Some(name.clone()), ..self.common() },
            Place::Explicit { .. } => Self { local: false, profile: None, ..self.clone() },
        }
    }

    /// A client for where they lead, as patient as by default.
    pub(crate) async fn open(&self) -> Result<Org, Failure> {
        self.destination()?.open(self.api_version, Policy::default()).await
    }

    fn common(&self) -> Self {
        Self { api_version: self.api_version, ca_file: self.ca_file.clone(), ..Self::default() }
    }

    /// Finds out where they lead; nothing is sent.
    pub(crate) fn destination(&self) -> Result<Destination, Failure> {
        if self.local {
            return Ok(Destination::Local);
        }
        let variables = Variables::from_env();
        let has_flags = self.api_domain.is_some()
            || self.accounts_url.is_some()
            || self.client_id.is_some()
            || self.data_center.is_some();
        let profile = self.profile.clone().or(variables.profile.clone().filter(|_| !has_flags));
        let target = match profile {
            Some(name) => self.profile(name)?,
            None => variables.target(self)?,
        };
        Ok(Destination::Remote(Box::new(target)))
    }

    fn profile(&self, name: String) -> Result<Target, Failure> {
        let profile = Profiles::load(&folders::config()?)?.get(&name)?;
        Ok(profile.target(name, self.api_version, self.ca_file.clone()))
    }
}

impl Destination {
    pub(crate) fn place(&self) -> &Place {
        match self {
            Self::Local => &Place::Local,
            Self::Remote(target) => &target.place,
        }
    }

    /// Whether a create there is a rehearsal: the service itself is never on this machine.
    pub(crate) fn is_this_machine(&self) -> bool {
        match self {
            Self::Local => true,
            Self::Remote(target) => target.is_this_machine(),
        }
    }

    /// A client for it.
    pub(crate) async fn open(self, version: ApiVersion, policy: Policy) -> Result<Org, Failure> {
        match self {
            Self::Remote(target) => {
                Ok(Org { client: target.client(policy)?, place: target.place, _local: None })
            }
            Self::Local => {
                let local = Local::start().await?;
                let transport = HttpTransport::builder().proxy(Proxy::none()).build()?;
                let client = Client::builder()
                    .api_url(local.url())
                    .accounts_url(local.url())
                    .transport(transport)
                    .version(version)
                    .policy(policy)
                    .build(local.credential())?;
                Ok(Org { client, place: Place::Local, _local: Some(local) })
            }
        }
    }
}

impl Target {
    /// See [`Destination::is_this_machine`].
    pub(crate) fn is_this_machine(&self) -> bool {
        match &self.api {
            ApiDomain::Given(url) => url.parse::<BaseUrl>().is_ok_and(|url| url.is_this_machine()),
            ApiDomain::Unset | ApiDomain::DataCenter(..) => false,
        }
    }

    pub(crate) fn client(&self, policy: Policy) -> Result<Client, Failure> {
        self.builder()?
            .policy(policy)
            .token_cache(FileTokenCache::new(folders::cache()?.join("tokens")))
            .build(self.credential.clone())
            .map_err(|error| Failure::usage(error.to_string()))
    }

    /// What its client is made of, but for the policy and the token cache.
    pub(crate) fn builder(&self) -> Result<ClientBuilder, Failure> {
        Ok(self.builder_over(self.transport()?))
    }

    /// What its requests go over, by itself or together with others.
    pub(crate) fn transport(&self) -> Result<HttpTransport, Failure> {
        let transport = HttpTransport::builder();
        let transport = match &self.ca_file {
            Some(path) => transport.ca_file(path),
            None => transport,
        };
        Ok(transport.build()?)
    }

    pub(crate) fn builder_over(&self, transport: HttpTransport) -> ClientBuilder {
        let builder = Client::builder().version(self.version).transport(transport);
        let builder = match &self.api {
            ApiDomain::Unset => builder,
            ApiDomain::DataCenter(data_center, environment) => {
                builder.data_center(*data_center, *environment)
            }
            ApiDomain::Given(url) => builder.api_url(url),
        };
        match &self.accounts {
            Some(url) => builder.accounts_url(url),
            None => builder,
        }
    }
}
