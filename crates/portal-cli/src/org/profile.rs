//! Profiles: named orgs with their credentials.
//!
//! `config.toml` has each profile's org; people edit it, and it contains no secrets.
//! `credentials.toml` has the secrets and is readable only by its owner.

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

/// An org with its credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) hosts: Hosts,
    /// The client id.
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret,
    pub(crate) refresh_token: Secret,
    /// The org as the service named it at login. Only for display: which org it is now is asked
    /// from the service.
    pub(crate) org: Option<OrgId>,
}

impl Profile {
    /// Returns its org as a target; `name` is the name of the profile.
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

/// The servers of an org.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hosts {
    DataCenter(DataCenter),
    /// The base URLs of another server, or of a data center without a code.
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

/// The entry of a profile in `config.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) hosts: Hosts,
    pub(crate) client_id: String,
    /// Unknown if the token can't read it.
    pub(crate) org: Option<OrgId>,
}

/// All profiles.
#[derive(Debug)]
pub(crate) struct Profiles {
    directory: PathBuf,
    config: config::Config,
    /// Loaded on first use: listing profiles needs no secrets.
    secrets: std::cell::OnceCell<BTreeMap<String, credentials::Secrets>>,
}

impl Profiles {
    /// Loads the profiles in the configuration directory; none if it doesn't exist.
    pub(crate) fn load(directory: &Path) -> anyhow::Result<Self> {
        let config = config::read(&config_path(directory))?;
        Ok(Self { directory: directory.to_owned(), config, secrets: std::cell::OnceCell::new() })
    }

    pub(crate) fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.config.entries
    }

    /// Returns the profile that is used if no org is selected.
    pub(crate) fn default_name(&self) -> Option<&str> {
        self.config.default.as_deref()
    }

    /// Returns the entry of the profile `name`.
    pub(crate) fn entry(&self, name: &str) -> Result<&Entry, Failure> {
        self.entries().get(name).ok_or_else(|| {
            let known = Known(self.entries());
            Failure::usage(format!("there is no profile {name:?}; {known}"))
                .hint(format!("run `portal login --profile {name}` to create it"))
        })
    }

    /// Returns the profile `name` with its secrets.
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

    /// Returns the other profiles that have the same refresh token at the same accounts server.
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

    /// Checks that the file with the secrets is usable.
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

/// Adds or replaces a profile.
pub(crate) fn store(directory: &Path, name: &str, profile: &Profile) -> anyhow::Result<()> {
    let _lock = lock(directory)?;
    // Secrets first, so that every listed profile has its secrets.
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

/// Renames a profile.
pub(crate) fn rename(directory: &Path, old: &str, new: &str) -> anyhow::Result<()> {
    let _lock = lock(directory)?;
    // Resumable: if the process ends in between, the same command completes the rest.
    credentials::rename(&credentials_path(directory), old, new)?;
    config::rename(&config_path(directory), old, new)
}

/// Sets the profile that is used if no org is selected.
pub(crate) fn set_default(directory: &Path, name: &str) -> anyhow::Result<()> {
    let _lock = lock(directory)?;
    config::set_default(&config_path(directory), name)
}

/// Removes a profile with its secrets.
pub(crate) fn remove(directory: &Path, name: &str) -> anyhow::Result<()> {
    let _lock = lock(directory)?;
    credentials::remove(&credentials_path(directory), name)?;
    config::remove(&config_path(directory), name)
}

/// Checks that `name` is a valid name for a profile.
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

/// Takes the lock that serializes changes of profiles across processes.
fn lock(directory: &Path) -> anyhow::Result<File> {
    directories::make_private(directory)?;
    let path = directory.join("profiles.lock");
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .and_then(|file| file.lock().map(|()| file))
        .with_context(|| format!("{} can't be locked", path.display()))
}

/// Formats as `there are acme, beta`.
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
