//! [`Target`]: an org with its servers and credentials.

use std::path::PathBuf;

use portal_http::client::{
    BaseUrl, CacheKey, Client, ClientBuilder, Credential, FileTokenCache, HttpTransport, Proxy,
    SafeClient, UnusableTransport,
};
use portal_ledger::{About, Ledger};
use portal_model::datacenter::ApiDomain;
use portal_model::error::with_sources;
use portal_model::flow::{Policy, TokenError};
use portal_model::oauth::RevokeToken;
use portal_model::{ApiVersion, Org};

use crate::org::running;
use crate::report::call_error;
use crate::report::failure::Failure;
use crate::report::place::{LOCAL, Place};
use crate::sys::invalid_input::InvalidInput;
use crate::sys::{directories, environment};

/// An org: its servers and credentials.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) place: Place,
    pub(crate) api: ApiDomain,
    pub(crate) accounts: Option<String>,
    pub(crate) credential: Credential,
    /// The org, where the user states it: then the service need not tell.
    pub(crate) org: Option<Org>,
    pub(crate) version: ApiVersion,
    pub(crate) ca_file: Option<PathBuf>,
}

impl Target {
    /// Whether a create is only a rehearsal there: the real service never runs on this machine.
    pub(crate) fn is_this_machine(&self) -> bool {
        is_this_machine(&self.api)
    }

    /// `defaults` with the times of the server, if it says them of itself.
    pub(crate) fn policy(&self, defaults: Policy) -> Policy {
        running::with_times_of_server(defaults, self.api.url().as_deref())
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
        let ca_file = self.ca_file.clone().or_else(|| environment::path("PORTAL_CA_FILE"));
        if let Some(path) = ca_file {
            transport = transport.ca_file(path);
        }
        let url = self.api.url().or_else(|| self.accounts.clone());
        if url.is_some_and(|url| url.parse().is_ok_and(|url: BaseUrl| url.is_this_machine())) {
            // A proxy that is unusable is none of its business.
            transport = transport.proxy(Proxy::none());
        }
        let built = transport.build().map_err(|error| match error {
            UnusableTransport::Tls(_) => format!("unusable certificates: {}", with_sources(&error)),
            _ => with_sources(&error),
        });
        Ok(built.map_err(InvalidInput)?)
    }

    /// Revokes the refresh token. Returns whether it was valid until now.
    pub(crate) async fn revoke(&self) -> Result<bool, Failure> {
        let Credential::RefreshToken { refresh_token, .. } = &self.credential else {
            return Ok(false);
        };
        let accounts = self.builder()?.build_accounts()?;
        match accounts.revoke(&RevokeToken::new(refresh_token.clone())).await {
            Ok(()) => Ok(true),
            Err(TokenError::Rejected(_)) => Ok(false),
            Err(error) => Err(call_error::failure(&error.into(), "revoke the token")),
        }
    }

    /// Removes the access token that other processes share, once the refresh token is revoked or
    /// forgotten.
    pub(crate) fn forget_token(&self) -> anyhow::Result<()> {
        let Credential::RefreshToken { client_id, client_secret, refresh_token } = &self.credential
        else {
            return Ok(());
        };
        let (Some(accounts), Some(directory)) = (&self.accounts, directories::tokens()) else {
            return Ok(());
        };
        let key = CacheKey::new(&accounts.parse()?, client_id, client_secret, refresh_token);
        Ok(FileTokenCache::new(directory).remove(&key)?)
    }

    fn builder_over(&self, transport: HttpTransport) -> ClientBuilder {
        let mut builder = Client::builder().version(self.version).transport(transport);
        builder = match &self.api {
            ApiDomain::Unset => builder,
            ApiDomain::DataCenter(data_center, environment) => {
                builder.data_center(*data_center, *environment)
            }
            ApiDomain::Given(url) => builder.api_url(url),
        };
        if let Some(url) = &self.accounts {
            builder = builder.accounts_url(url);
        }
        builder
    }
}

pub(crate) fn is_this_machine(api: &ApiDomain) -> bool {
    match api {
        ApiDomain::Given(url) => url.parse::<BaseUrl>().is_ok_and(|url| url.is_this_machine()),
        ApiDomain::Unset | ApiDomain::DataCenter(..) => false,
    }
}
