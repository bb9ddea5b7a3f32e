//! Profiles: which org a name stands for, and what entitles to it.
//!
//! `config.toml` says where each profile's org is; people edit it, and it holds no secret.
//! `credentials.toml` holds the secrets, and nobody else can read it.

mod config;
mod credentials;
mod file;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use portal_http::client::Credential;
use portal_model::datacenter::{ApiDomain, DataCenter, Environment};
use portal_model::{ApiVersion, Secret};

use crate::org::identity::OrgId;
use crate::org::place::Place;
use crate::org::target::Target;
use crate::report::failure::Failure;
use crate::sys::directories;

/// An org, and what entitles to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) hosts: Hosts,
    /// The registered client.
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret,
    pub(crate) refresh_token: Secret,
    /// The org, as the service named it at login. For display: which org it is now, the service
    /// says.
    pub(crate) org: Option<OrgId>,
}

impl Profile {
    /// Its org, for a client; `name` is the profile's own.
    pub(crate) fn target(
        &self,
        name: impl Into<String>,
        version: ApiVersion,
        ca_file: Option<PathBuf>,
    ) -> Target {
        Target {
            place: Place::Profile(name.into()),
            api: self.hosts.api_domain(),
            accounts: Some(self.hosts.accounts_url().to_owned()),
            credential: Credential::refresh_token(
                self.client_id.clone(),
                self.client_secret.clone(),
                self.refresh_token.clone(),
            ),
            version,
            ca_file,
        }
    }
}

/// Where an org is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hosts {
    DataCenter(DataCenter),
    /// Base URLs of a data center without a code, or of another server.
    Urls {
        api_domain: String,
        accounts_url: String,
    },
}

impl Hosts {
    pub(crate) fn accounts_url(&self) -> &str {
        match self {
            Self::DataCenter(data_center) => data_center.accounts_url(),
            Self::Urls { accounts_url, .. } => accounts_url,
        }
    }

    pub(crate) fn api_domain(&self) -> ApiDomain {
        match self {
            Self::DataCenter(data_center) => {
                ApiDomain::DataCenter(*data_center, Environment::Production)
            }
            Self::Urls { api_domain, .. } => ApiDomain::Given(api_domain.clone()),
        }
    }
}

impl std::fmt::Display for Hosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::DataCenter(data_center) => data_center.fmt(f),
            Self::Urls { api_domain, .. } => f.pad(api_domain),
        }
    }
}

/// What `config.toml` says about a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) hosts: Hosts,
    pub(crate) client_id: String,
    /// Not known of a profile that version 0.1 wrote, or if the token cannot read it.
    pub(crate) org: Option<OrgId>,
}

/// Every profile there is.
#[derive(Debug)]
pub(crate) struct Profiles {
    directory: PathBuf,
    config: config::Config,
    /// Read when the first secret is asked for: whoever only lists profiles needs none.
    secrets: std::cell::OnceCell<BTreeMap<String, credentials::Secrets>>,
}

impl Profiles {
    /// Those in the configuration directory; none if it does not exist.
    pub(crate) fn load(directory: &Path) -> anyhow::Result<Self> {
        let config = config::read(&config_path(directory))?;
        Ok(Self { directory: directory.to_owned(), config, secrets: std::cell::OnceCell::new() })
    }

    pub(crate) fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.config.entries
    }

    /// The name of the profile that is used if nothing says which org.
    pub(crate) fn default_name(&self) -> Option<&str> {
        self.config.default.as_deref()
    }

    /// What the configuration says about the profile called `name`.
    pub(crate) fn entry(&self, name: &str) -> Result<&Entry, Failure> {
        self.entries().get(name).ok_or_else(|| {
            let known = Known(self.entries());
            Failure::usage(format!("there is no profile {name:?}; {known}"))
                .hint(format!("run `portal login --profile {name}` to create it"))
        })
    }

    /// The profile called `name`, with its secrets.
    pub(crate) fn get(&self, name: &str) -> Result<Profile, Failure> {
        let entry = self.entry(name)?;
        let secrets = self.secrets().map_err(|error| Failure::usage(format!("{error:#}")))?;
        let Some(secrets) = secrets.get(name) else {
            let path = credentials_path(&self.directory);
            return Err(Failure::usage(format!(
                "the profile {name} has no secrets in {}",
                path.display()
            ))
            .hint(format!("run `portal login --profile {name}` to store new ones")));
        };
        Ok(Profile {
            hosts: entry.hosts.clone(),
            client_id: entry.client_id.clone(),
            client_secret: secrets.client_secret.clone(),
            refresh_token: secrets.refresh_token.clone(),
            org: entry.org.clone(),
        })
    }

    /// The other profiles with the refresh token of the profile `name`, at the same accounts server.
    pub(crate) fn sharing_token(&self, name: &str) -> Result<Vec<&str>, Failure> {
        let profile = self.get(name)?;
        let secrets = self.secrets()?;
        let is_shared = |(other, entry): &(&String, &Entry)| {
            *other != name
                && entry.hosts.accounts_url() == profile.hosts.accounts_url()
                && secrets
                    .get(*other)
                    .is_some_and(|secrets| secrets.refresh_token == profile.refresh_token)
        };
        let shared = self.entries().iter().filter(is_shared);
        Ok(shared.map(|(other, _)| other.as_str()).collect())
    }

    /// Checks that the file of the secrets is fit to be used.
    pub(crate) fn check_secrets(&self) -> anyhow::Result<()> {
        self.secrets().map(drop)
    }

    fn secrets(&self) -> anyhow::Result<&BTreeMap<String, credentials::Secrets>> {
        if let Some(secrets) = self.secrets.get() {
            return Ok(secrets);
        }
        let secrets = credentials::read(&credentials_path(&self.directory))?;
        Ok(self.secrets.get_or_init(|| secrets))
    }
}

/// Adds a profile, or replaces the one of that name.
pub(crate) fn store(directory: &Path, name: &str, profile: &Profile) -> anyhow::Result<()> {
    let _lock = lock(directory)?;
    // In this order: a profile that is listed has its secrets.
    credentials::insert(
        &credentials_path(directory),
        name,
        &credentials::Secrets {
            client_secret: profile.client_secret.clone(),
            refresh_token: profile.refresh_token.clone(),
        },
    )?;
    let Profile { hosts, client_id, org, .. } = profile.clone();
    config::insert(&config_path(directory), name, &Entry { hosts, client_id, org })
}

/// Gives a profile another name.
pub(crate) fn rename(directory: &Path, old: &str, new: &str) -> anyhow::Result<()> {
    let _lock = lock(directory)?;
    // If the process ends in between, the same command does the rest.
    credentials::rename(&credentials_path(directory), old, new)?;
    config::rename(&config_path(directory), old, new)
}

/// Makes a profile the one that is used if nothing says which org.
pub(crate) fn set_default(directory: &Path, name: &str) -> anyhow::Result<()> {
    let _lock = lock(directory)?;
    config::set_default(&config_path(directory), name)
}

/// Removes a profile and its secrets.
pub(crate) fn remove(directory: &Path, name: &str) -> anyhow::Result<()> {
    let _lock = lock(directory)?;
    credentials::remove(&credentials_path(directory), name)?;
    config::remove(&config_path(directory), name)
}

/// Checks that `name` can be one of a profile.
pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_allowed) {
        return Err(Failure::usage(format!(
            "{name:?} can't be the name of a profile: expected up to 64 of the letters A-Z, a-z, \
             the digits 0-9, and - _ ."
        )));
    }
    Ok(())
}

pub(crate) fn config_path(directory: &Path) -> PathBuf {
    directory.join("config.toml")
}

pub(crate) fn credentials_path(directory: &Path) -> PathBuf {
    directory.join("credentials.toml")
}

/// Two processes that change profiles at once come one after the other.
fn lock(directory: &Path) -> anyhow::Result<File> {
    directories::make_private(directory)?;
    let path = directory.join("profiles.lock");
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .and_then(|file| file.lock().map(|()| file))
        .with_context(|| format!("{} can't be locked", path.display()))?;
    file::remove_strays(directory)
        .with_context(|| format!("cannot clean up {}", directory.display()))?;
    Ok(lock)
}

/// `there are acme, beta`
struct Known<'a>(&'a BTreeMap<String, Entry>);

impl std::fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 8;
        let names: Vec<&str> = self.0.keys().take(SHOWN).map(String::as_str).collect();
        match (names.as_slice(), self.0.len()) {
            ([], _) => write!(f, "there is none yet"),
            ([one], 1) => write!(f, "there is only {one}"),
            (names, all) if all > SHOWN => {
                write!(f, "there are {all}, such as {}", names.join(", "))
            }
            (names, _) => write!(f, "there are {}", names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests;
