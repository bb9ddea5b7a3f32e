//! Profiles: named orgs with their credentials.
//!
//! `config.toml` has each profile's org; people edit it, and it contains no secrets.
//! `credentials.toml` has the secrets and is readable only by its owner.

mod config;
mod credentials;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use portal_http::client::Credential;
use portal_model::datacenter::{ApiDomain, DataCenter, Environment};
use portal_model::{ApiVersion, Org};

pub(crate) use self::credentials::Secrets;
use crate::org::OrgError;
use crate::org::place::Place;
use crate::org::target::{Target, is_this_machine};
use crate::sys::{directories, private_file};

/// An org with its credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) entry: Entry,
    pub(crate) secrets: Secrets,
}

impl Profile {
    /// Returns its org as a target; `name` is the name of the profile.
    pub(crate) fn target(&self, name: &str, ca_file: Option<PathBuf>) -> Target {
        Target {
            place: Place::Profile(name.to_owned()),
            api: self.entry.hosts.api_domain(),
            accounts: Some(self.entry.hosts.accounts_url().to_owned()),
            credential: Credential::refresh_token(
                self.entry.client_id.clone(),
                self.secrets.client_secret.clone(),
                self.secrets.refresh_token.clone(),
            ),
            org: self.entry.org.clone(),
            version: ApiVersion::default(),
            ca_file: ca_file.or_else(|| self.entry.ca_file.clone()),
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

    pub(crate) fn is_this_machine(&self) -> bool {
        is_this_machine(&self.api_domain())
    }
}

impl std::fmt::Display for Hosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::DataCenter(data_center) => data_center.fmt(f),
            Self::Urls { api_domain, .. } => f.write_str(api_domain),
        }
    }
}

/// The entry of a profile in `config.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) hosts: Hosts,
    pub(crate) client_id: String,
    /// The org: as the service named it at login, or as the user states it.
    pub(crate) org: Option<Org>,
    /// More root certificates to trust, as an absolute path.
    pub(crate) ca_file: Option<PathBuf>,
}

impl Entry {
    /// `org Acme Inc. (7000)`, or `an org at eu`.
    pub(crate) fn place(&self) -> String {
        match &self.org {
            Some(org) => format!("org {org}"),
            None => format!("an org at {}", self.hosts),
        }
    }
}

/// All profiles.
#[derive(Debug)]
pub(crate) struct Profiles {
    directory: PathBuf,
    config: config::Config,
    /// Loaded on first use: listing profiles needs no secrets.
    secrets: OnceCell<BTreeMap<String, Secrets>>,
}

impl Profiles {
    /// Loads the profiles in the configuration directory; none if it doesn't exist.
    pub(crate) fn load(directory: &Path) -> anyhow::Result<Self> {
        let config = config::read(&config_path(directory))?;
        Ok(Self { directory: directory.to_owned(), config, secrets: OnceCell::new() })
    }

    pub(crate) fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.config.entries
    }

    /// Returns the profile that is used if no org is selected.
    pub(crate) fn default_name(&self) -> Option<&str> {
        self.config.default.as_deref()
    }

    /// Returns the entry of the profile `name`.
    pub(crate) fn entry(&self, name: &str) -> Result<&Entry, OrgError> {
        self.entries().get(name).ok_or_else(|| OrgError::UnknownProfile {
            name: name.to_owned(),
            profiles: self.entries().keys().cloned().collect(),
        })
    }

    /// Returns the profile `name` with its secrets.
    pub(crate) fn get(&self, name: &str) -> Result<Profile, OrgError> {
        let entry = self.entry(name)?.clone();
        let secrets = self.secrets().map_err(OrgError::Unusable)?.get(name);
        let secrets = secrets.cloned().ok_or_else(|| OrgError::NoSecrets {
            name: name.to_owned(),
            path: credentials_path(&self.directory),
        })?;
        Ok(Profile { entry, secrets })
    }

    /// Returns the other profiles that have the same refresh token at the same accounts server.
    pub(crate) fn sharing_token(&self, name: &str) -> Result<Vec<&str>, OrgError> {
        let token = |profile: &Profile| {
            let accounts = profile.entry.hosts.accounts_url().to_owned();
            (accounts, profile.secrets.refresh_token.clone())
        };
        let shared = token(&self.get(name)?);
        let others = self.entries().keys().map(String::as_str).filter(|other| *other != name);
        Ok(others
            .filter(|other| self.get(other).is_ok_and(|other| token(&other) == shared))
            .collect())
    }

    /// Checks that the file with the secrets is usable.
    pub(crate) fn check_secrets(&self) -> anyhow::Result<()> {
        self.secrets().map(drop)
    }

    fn secrets(&self) -> anyhow::Result<&BTreeMap<String, Secrets>> {
        if let Some(secrets) = self.secrets.get() {
            return Ok(secrets);
        }
        private_file::refuse_if_all_can_change(&self.directory)?;
        private_file::refuse_if_all_can_change(&config_path(&self.directory))?;
        let secrets = credentials::read(&credentials_path(&self.directory))?;
        Ok(self.secrets.get_or_init(|| secrets))
    }
}

/// Adds or replaces a profile.
pub(crate) fn store(directory: &Path, name: &str, profile: &Profile) -> anyhow::Result<()> {
    let _lock = lock(directory)?;
    // Secrets first, so that every listed profile has its secrets.
    credentials::edit(&credentials_path(directory), |all| {
        all.insert(name.to_owned(), profile.secrets.clone());
    })?;
    config::insert(&config_path(directory), name, &profile.entry)
}

/// Renames a profile.
pub(crate) fn rename(directory: &Path, old: &str, new: &str) -> anyhow::Result<()> {
    let _lock = lock(directory)?;
    // Resumable: if the process ends in between, the same command completes the rest.
    credentials::edit(&credentials_path(directory), |all| {
        if let Some(secrets) = all.remove(old) {
            all.insert(new.to_owned(), secrets);
        }
    })?;
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
    credentials::edit(&credentials_path(directory), |all| drop(all.remove(name)))?;
    config::remove(&config_path(directory), name)
}

/// Checks that `name` is a valid name for a profile.
pub(crate) fn check_name(name: &str) -> Result<(), OrgError> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    // One that begins with `-` would be a flag where it is printed.
    let is_odd = name.is_empty() || name.len() > 64 || name.starts_with('-');
    if is_odd || !name.chars().all(is_allowed) {
        return Err(OrgError::InvalidProfileName(name.to_owned()));
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
    private_file::options()
        .create(true)
        .open(&path)
        .and_then(|file| file.lock().map(|()| file))
        .with_context(|| format!("{} can't be locked", path.display()))
}

#[cfg(test)]
mod tests;
