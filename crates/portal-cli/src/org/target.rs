//! [`Target`]: an org with its servers and credentials.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use portal_http::client::{
    BaseUrl, CacheKey, Client, ClientBuilder, Credential, FileTokenCache, HttpTransport, Proxy,
    SafeClient, UnusableTransport,
};
use portal_ledger::{About, Ledger};
use portal_model::datacenter::{ApiDomain, DataCenter, Environment};
use portal_model::error::with_sources;
use portal_model::flow::{Policy, TokenError};
use portal_model::oauth::RevokeToken;
use portal_model::{ApiVersion, Org, OrgIdentity};
use tokio::task::JoinSet;

use crate::org::running;
use crate::report::cause;
use crate::report::failure::Failure;
use crate::report::place::{LOCAL, Place};
use crate::sys::{InvalidInput, directories, environment};

/// An org: its servers and credentials.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) place: Place,
    pub(crate) hosts: Hosts,
    pub(crate) credential: Credential,
    /// The org, where the user states it: then the service need not tell.
    pub(crate) org: Option<Org>,
    pub(crate) version: ApiVersion,
    pub(crate) ca_file: Option<PathBuf>,
    #[expect(dead_code, reason = "it ends with the last copy")]
    pub(crate) server: Option<Arc<JoinSet<()>>>,
}

/// The servers of an org.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hosts {
    pub(crate) api: ApiDomain,
    /// The base URL of the accounts server; a profile has one.
    pub(crate) accounts: Option<String>,
}

impl Hosts {
    pub(crate) fn of(data_center: DataCenter) -> Self {
        let api = ApiDomain::DataCenter(data_center, Environment::Production);
        Self { api, accounts: Some(data_center.accounts_url().to_owned()) }
    }

    /// Those of another server, or of a data center without a code.
    pub(crate) fn at(api_domain: String, accounts_url: String) -> Self {
        Self { api: ApiDomain::Given(api_domain), accounts: Some(accounts_url) }
    }

    pub(crate) fn data_center(&self) -> Option<DataCenter> {
        match self.api {
            ApiDomain::DataCenter(data_center, _) => Some(data_center),
            ApiDomain::Given(_) | ApiDomain::Unset => None,
        }
    }

    /// Whether a create is only a rehearsal there: the real service never runs on this machine.
    pub(crate) fn is_this_machine(&self) -> bool {
        self.data_center().is_none() && self.api.url().is_some_and(|url| is_this_machine(&url))
    }
}

/// Formats as `eu`, or the URL of the API.
impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.data_center() {
            Some(data_center) => data_center.fmt(f),
            None => f.write_str(&self.api.url().unwrap_or_default()),
        }
    }
}

/// The org of an id that the user states.
///
/// # Errors
/// It is not the number that the service gives an org: two spellings would count as two orgs.
pub(crate) fn stated_org(id: &str) -> Result<Org, InvalidInput> {
    let id = id.trim();
    if id.is_empty() || id.starts_with('0') || !id.chars().all(|c| c.is_ascii_digit()) {
        return Err(InvalidInput(format!(
            "{id:?} is not the id of an org: expected its digits only, such as 7000000001"
        )));
    }
    Ok(Org::new(id))
}

pub(crate) fn is_this_machine(url: &str) -> bool {
    url.parse::<BaseUrl>().is_ok_and(|url| url.is_this_machine())
}

impl Target {
    /// Which org it is as far as that is known without a request: the accounts server may name another API.
    pub(crate) fn identity(&self) -> OrgIdentity {
        let fingerprint = self.credential.fingerprint(self.hosts.accounts.as_deref());
        let api = self.hosts.api.url().unwrap_or_default();
        OrgIdentity::new(&api, fingerprint).with_org(self.org.clone())
    }

    /// `defaults` with the times of the server, if it says them of itself, or is in this process.
    pub(crate) fn policy(&self, defaults: Policy) -> Policy {
        match self.place {
            Place::Local => Policy::rehearsal(),
            _ => running::with_times_of_server(defaults, self.hosts.api.url().as_deref()),
        }
    }

    pub(crate) fn client(&self, policy: Policy) -> anyhow::Result<Client> {
        self.client_over(self.transport()?, policy)
    }

    /// Returns a client over a transport, which several clients can share.
    pub(crate) fn client_over(
        &self,
        transport: HttpTransport,
        policy: Policy,
    ) -> anyhow::Result<Client> {
        let mut builder = self.builder_over(transport).policy(policy);
        // The address of a local server is another one each time.
        if self.place != Place::Local
            && let Some(directory) = directories::tokens()
        {
            builder = builder.token_cache(FileTokenCache::new(directory));
        }
        let unusable = |error| InvalidInput(format!("{}: {}", self.place, with_sources(&error)));
        Ok(builder.build(self.credential.clone()).map_err(unusable)?)
    }

    /// Makes creates and renames with a client of the org safe with `ledger`. `file` asked for them.
    pub(crate) fn safe(&self, client: Client, ledger: &Ledger, file: Option<String>) -> SafeClient {
        let about = About {
            user: ["USER", "USERNAME"].iter().find_map(|name| std::env::var(name).ok()),
            program: Some(concat!("portal ", env!("CARGO_PKG_VERSION")).to_owned()),
            file,
            ..About::default()
        };
        let safe = SafeClient::new(client, ledger.clone()).with_about(about);
        let safe = match &self.org {
            Some(org) => safe.with_org(org.clone()),
            None => safe,
        };
        match &self.place {
            Place::Local => safe.with_origin(LOCAL),
            Place::Profile(name) => safe.with_label(name),
            Place::Explicit(_) => safe,
        }
    }

    /// Returns a client builder without a policy and token cache.
    pub(crate) fn builder(&self) -> anyhow::Result<ClientBuilder> {
        Ok(self.builder_over(self.transport()?))
    }

    pub(crate) fn transport(&self) -> anyhow::Result<HttpTransport> {
        let mut transport = HttpTransport::builder();
        let ca_file = match &self.ca_file {
            Some(path) => Some(path.clone()),
            None => environment::path("PORTAL_CA_FILE")?,
        };
        if let Some(path) = ca_file {
            transport = transport.ca_file(path);
        }
        let url = self.hosts.api.url().or_else(|| self.hosts.accounts.clone());
        if url.is_some_and(|url| is_this_machine(&url)) {
            // A proxy that is unusable is none of its business.
            transport = transport.proxy(Proxy::none());
        }
        let built = transport.build().map_err(|error| match error {
            UnusableTransport::Tls(_) => format!("unusable certificates: {}", with_sources(&error)),
            _ => with_sources(&error),
        });
        Ok(built.map_err(InvalidInput)?)
    }

    /// Removes the access token that other processes share and, unless it is kept, revokes the refresh token.
    /// Returns whether that was valid until now.
    pub(crate) async fn log_out(&self, keep_token: bool) -> Result<bool, Failure> {
        let Credential::RefreshToken { client_id, client_secret, refresh_token } = &self.credential
        else {
            return Ok(false);
        };
        let mut is_revoked = false;
        if !keep_token {
            let revoke = RevokeToken::new(refresh_token.clone());
            is_revoked = match self.builder()?.build_accounts()?.revoke(&revoke).await {
                Ok(()) => true,
                Err(TokenError::Rejected(_)) => false,
                Err(error) => return Err(cause::failure(&error.into(), "revoke the token")),
            };
        }
        if let (Some(accounts), Some(directory)) = (&self.hosts.accounts, directories::tokens()) {
            let key = CacheKey::new(&accounts.parse()?, client_id, client_secret, refresh_token);
            FileTokenCache::new(directory).remove(&key)?;
        }
        Ok(is_revoked)
    }

    fn builder_over(&self, transport: HttpTransport) -> ClientBuilder {
        let mut builder = Client::builder().version(self.version).transport(transport);
        builder = match &self.hosts.api {
            ApiDomain::Unset => builder,
            ApiDomain::DataCenter(data_center, environment) => {
                builder.data_center(*data_center, *environment)
            }
            ApiDomain::Given(url) => builder.api_url(url),
        };
        if let Some(url) = &self.hosts.accounts {
            builder = builder.accounts_url(url);
        }
        builder
    }
}
