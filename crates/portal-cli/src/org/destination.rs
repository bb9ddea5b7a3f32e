//! Resolves flags, environment and profiles to a [`Destination`], and opens the [`Org`] with a
//! client for it.

use portal_http::client::{Client, HttpTransport, Proxy};
use portal_model::ApiVersion;
use portal_model::flow::Policy;

use crate::org::environment::Variables;
use crate::org::identity::Identity;
use crate::org::local::Local;
use crate::org::place::Place;
use crate::org::profile::Profiles;
use crate::org::target::Target;
use crate::org::target_args::TargetArgs;
use crate::report::failure::Failure;
use crate::sys::directories;

/// An org with a client for it.
#[derive(Debug)]
pub(crate) struct Org {
    pub(crate) client: Client,
    pub(crate) place: Place,
    server: ServerOf,
}

/// The server of an [`Org`].
#[derive(Debug)]
enum ServerOf {
    /// In this process; stops when dropped.
    Local(Local),
    Remote(Box<Target>),
}

impl Org {
    /// Determines which org it is (rule 10).
    ///
    /// # Errors
    /// The service is unreachable.
    pub(crate) async fn identify(&self) -> Result<Identity, Failure> {
        match &self.server {
            ServerOf::Local(local) => Ok(Identity::local(&local.credential())),
            ServerOf::Remote(target) => target.identify(&self.client).await,
        }
    }

    /// Returns which org it is, as far as that is known without a request.
    pub(crate) fn known_identity(&self) -> Identity {
        match &self.server {
            ServerOf::Local(local) => Identity::local(&local.credential()),
            ServerOf::Remote(target) => target.declared_identity(),
        }
    }
}

/// The org that the arguments select.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    /// The server in this process.
    Local,
    /// Any other server.
    Remote(Box<Target>),
}

impl TargetArgs {
    /// Returns the arguments that select `place` again.
    pub(crate) fn again(&self, place: &Place) -> Self {
        match place {
            Place::Local => Self { local: true, ..self.common() },
            Place::Profile(name) => Self { profile: Some(name.clone()), ..self.common() },
            Place::Explicit { .. } => Self { local: false, profile: None, ..self.clone() },
        }
    }

    /// Whether a flag selects the org.
    pub(crate) fn is_explicit(&self) -> bool {
        self.local || self.profile.is_some()
    }

    /// Opens the selected org with the default policy.
    pub(crate) async fn open(&self) -> Result<Org, Failure> {
        self.destination()?.open(self.api_version, Policy::default()).await
    }

    fn common(&self) -> Self {
        Self { api_version: self.api_version, ca_file: self.ca_file.clone(), ..Self::default() }
    }

    /// Resolves the arguments; sends nothing.
    pub(crate) fn destination(&self) -> Result<Destination, Failure> {
        if self.local {
            return Ok(Destination::Local);
        }
        let variables = Variables::from_env();
        let has_flags = self.api_domain.is_some()
            || self.accounts_url.is_some()
            || self.client_id.is_some()
            || self.data_center.is_some();
        let named = self.profile.clone().or(variables.profile.clone().filter(|_| !has_flags));
        let target = match named {
            Some(name) => self.profile(&Profiles::load(&directories::config()?)?, &name)?,
            None if has_flags || variables.lead_somewhere() => variables.target(self)?,
            None => {
                let profiles = Profiles::load(&directories::config()?)?;
                match profiles.default_name() {
                    Some(name) => self.profile(&profiles, name)?,
                    // Reports what is missing.
                    None => variables.target(self)?,
                }
            }
        };
        Ok(Destination::Remote(Box::new(target)))
    }

    fn profile(&self, profiles: &Profiles, name: &str) -> Result<Target, Failure> {
        Ok(profiles.get(name)?.target(name, self.api_version, self.ca_file.clone()))
    }
}

impl Destination {
    pub(crate) fn place(&self) -> &Place {
        match self {
            Self::Local => &Place::Local,
            Self::Remote(target) => &target.place,
        }
    }

    /// Only the server in this process is known to be fast.
    pub(crate) fn default_policy(&self) -> Policy {
        match self {
            Self::Local => Policy::rehearsal(),
            Self::Remote(_) => Policy::default(),
        }
    }

    /// Whether a create is only a rehearsal there: the real service never runs on this machine.
    pub(crate) fn is_this_machine(&self) -> bool {
        match self {
            Self::Local => true,
            Self::Remote(target) => target.is_this_machine(),
        }
    }

    /// Opens a client.
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
