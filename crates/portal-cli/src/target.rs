//! Which org: `--local`, `--profile P`, or flags and environment.

mod environment;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use portal_http::client::{
    BaseUrl, Client, ClientBuilder, ClientError, Credential, FileTokenCache, HttpTransport, Proxy,
};
use portal_model::datacenter::ApiDomain;
use portal_model::flow::{NotSent, Policy};
use portal_model::{ApiVersion, DataCenter, GetOrg, Org as OrgRecord};
use serde::{Deserialize, Serialize};

use self::environment::Variables;
use crate::failure::Failure;
use crate::folders;
use crate::identity::{Identity, IdentityCache, OrgId};
use crate::local::Local;
use crate::profile::Profiles;

/// Which org. One source's secret never goes to another's host: `--local` and `--profile` ignore
/// the hosts and credentials of the environment.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Org")]
pub(crate) struct TargetArgs {
    /// Rehearse on a server in this process, with data in your data directory
    #[arg(long, conflicts_with_all = ["profile", "data_center", "api_domain", "accounts_url", "client_id"])]
    pub(crate) local: bool,
    /// The org of a profile that `portal login` stored
    #[arg(long, value_name = "NAME", conflicts_with_all = ["data_center", "api_domain", "accounts_url", "client_id"])]
    pub(crate) profile: Option<String>,
    /// Data center of the org: us, eu, in, au, jp, cn, ca or sa
    #[arg(long, value_name = "CODE")]
    pub(crate) data_center: Option<DataCenter>,
    /// Base URL of the API, instead of --data-center
    #[arg(long, value_name = "URL")]
    pub(crate) api_domain: Option<String>,
    /// Base URL of the accounts server, instead of --data-center
    #[arg(long, value_name = "URL")]
    pub(crate) accounts_url: Option<String>,
    /// Client id of the credentials
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Version of the API, v4 to v8
    #[arg(long, value_name = "VERSION", default_value_t)]
    pub(crate) api_version: ApiVersion,
    /// PEM file with additional root certificates to trust
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// The help about the environment, secrets above all.
pub(crate) const SECRETS: &str = "\
Without --local and --profile the environment is read: PORTAL_PROFILE, or PORTAL_API_DOMAIN, \
PORTAL_ACCOUNTS_URL, PORTAL_CLIENT_ID and the secrets, which are never flags: PORTAL_CLIENT_SECRET and \
PORTAL_REFRESH_TOKEN, or PORTAL_ACCESS_TOKEN.";

/// Which org is asked for once, and only helps: it must not keep a create waiting.
const IDENTIFY_TIMEOUT: Duration = Duration::from_secs(10);
/// Between its tries.
const IDENTIFY_PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(1)];

fn org_id(org: OrgRecord) -> OrgId {
    OrgId { id: org.id, name: org.company_name }
}

/// Whether asking again cannot help.
fn is_final(error: &ClientError) -> bool {
    match error {
        ClientError::Api(error) => {
            error.http_status < 500 && !error.is_token_rejected() && !error.is_rate_limited()
        }
        _ => false,
    }
}

/// Whether asking again may help.
fn is_transient(error: &ClientError) -> bool {
    match error {
        ClientError::Api(error) => error.is_server_error() || error.is_rate_limited(),
        ClientError::NotSent(why) => !matches!(why, NotSent::Permanent(_)),
        ClientError::NoResponse(_) | ClientError::Unreadable(_) => true,
        _ => false,
    }
}

/// Asks which org it is, again after a transient failure: with a fingerprint in place of the id,
/// two credentials of one org count as two orgs.
async fn get_org(client: &Client) -> Result<OrgRecord, ClientError> {
    for pause in IDENTIFY_PAUSES {
        match client.call(&GetOrg).await {
            Err(error) if is_transient(&error) => tokio::time::sleep(pause).await,
            result => return result,
        }
    }
    client.call(&GetOrg).await
}

/// How a create was led to its org, without a secret.
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
    /// The profile, if it is one.
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

/// An org outside this process: its servers and credentials.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) place: Place,
    pub(crate) api: ApiDomain,
    pub(crate) accounts: Option<String>,
    pub(crate) credential: Credential,
    pub(crate) version: ApiVersion,
    pub(crate) ca_file: Option<PathBuf>,
}

/// An org with a client for it.
#[derive(Debug)]
pub(crate) struct Org {
    pub(crate) client: Client,
    pub(crate) place: Place,
    server: ServerOf,
}

/// Where the server of an [`Org`] runs.
#[derive(Debug)]
enum ServerOf {
    /// In this process, until this is dropped.
    Local(Local),
    Remote(Box<Target>),
}

impl Org {
    /// Which org it is (rule 10).
    pub(crate) async fn identify(&self) -> Identity {
        match &self.server {
            ServerOf::Local(local) => Identity::local(&local.credential()),
            ServerOf::Remote(target) => target.identify(&self.client).await,
        }
    }

    /// Which org it is, as far as that is known without asking the service.
    pub(crate) fn known_identity(&self) -> Identity {
        match &self.server {
            ServerOf::Local(local) => Identity::local(&local.credential()),
            ServerOf::Remote(target) => target.declared_identity(),
        }
    }
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

    /// Whether a flag says which org.
    pub(crate) fn is_explicit(&self) -> bool {
        self.local || self.profile.is_some()
    }

    /// A client for where they lead, with the default policy.
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

    /// Only the server of this process is known to be fast.
    pub(crate) fn default_policy(&self) -> Policy {
        match self {
            Self::Local => Policy::rehearsal(),
            Self::Remote(_) => Policy::default(),
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
            Self::Remote(target) => Ok(Org {
                client: target.client(policy)?,
                place: target.place.clone(),
                server: ServerOf::Remote(target),
            }),
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
                Ok(Org { client, place: Place::Local, server: ServerOf::Local(local) })
            }
        }
    }
}

impl Target {
    /// Which org its credential belongs to (rule 10), by its API host, and by its id if the token
    /// can read it: the service is asked once per credential.
    pub(crate) async fn identify(&self, client: &Client) -> Identity {
        self.identify_with(&IdentityCache::new(), client).await
    }

    /// Which org its credential belongs to, as far as that is known without asking the service.
    pub(crate) fn declared_identity(&self) -> Identity {
        self.identity_at(self.api.url().as_deref())
    }

    fn identity_at(&self, api_url: Option<&str>) -> Identity {
        Identity::new(api_url, self.accounts.as_deref(), &self.credential)
    }

    async fn identify_with(&self, cache: &IdentityCache, client: &Client) -> Identity {
        let declared = self.declared_identity();
        if let Some(identity) = cache.load(&declared) {
            return identity;
        }
        let response = tokio::time::timeout(IDENTIFY_TIMEOUT, get_org(client)).await;
        // The response to the token request may have corrected the host.
        let identity = match client.api_url() {
            Some(url) => self.identity_at(Some(url.as_str())),
            None => declared.clone(),
        };
        match response {
            Ok(Ok(org)) => {
                let identity = identity.with_org(Some(org_id(org)));
                cache.store(&declared, &identity);
                identity
            }
            // Without the scope, or a service without the resource: it will not be there next time either.
            Ok(Err(error)) if is_final(&error) => {
                cache.store(&declared, &identity);
                identity
            }
            Ok(Err(_)) | Err(_) => identity,
        }
    }

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use portal_http::client::{Bounds, Transport, TransportError};
    use portal_model::flow::NoResponse;

    use super::*;

    /// Fails twice, then responds with an org.
    #[derive(Clone, Default)]
    struct Failing(Arc<AtomicUsize>);

    impl Transport for Failing {
        async fn send(
            &self,
            _: http::Request<bytes::Bytes>,
            _: Bounds,
        ) -> Result<http::Response<bytes::Bytes>, TransportError> {
            let response = |status, body: &'static str| {
                let mut response = http::Response::new(bytes::Bytes::from_static(body.as_bytes()));
                *response.status_mut() = status;
                response
            };
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => Ok(response(http::StatusCode::SERVICE_UNAVAILABLE, "busy")),
                1 => Err(NoResponse::TimedOut.into()),
                _ => Ok(response(http::StatusCode::OK, r#"{"org":[{"id":"7"}]}"#)),
            }
        }
    }

    #[tokio::test]
    async fn org_is_asked_for_again_after_transient_failures() {
        let transport = Failing::default();
        let client = Client::builder()
            .api_url("http://127.0.0.1:1")
            .transport(transport.clone())
            .build(Credential::access_token("1000.token".to_owned()))
            .unwrap();
        assert_eq!(get_org(&client).await.unwrap().id, "7");
        assert_eq!(transport.0.load(Ordering::SeqCst), 3);
    }
}
