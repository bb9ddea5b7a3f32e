//! Profiles: named orgs with their credentials.
//!
//! `config.toml` has each profile's org; people edit it, and it contains no secrets.
//! `credentials.toml` has the secrets and is readable only by its owner.

mod config;
mod credentials;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use portal_http::client::Credential;
use portal_model::{ApiVersion, Org};
use serde::Deserialize;
use toml_edit::DocumentMut;

pub(crate) use self::credentials::Secrets;
use crate::org::default_org::OrgCredentials;
use crate::org::target::{Hosts, Target};
use crate::report::failure::Failure;
use crate::report::place::{Place, profile_flag};
use crate::report::wrap::enumerated;
use crate::sys::{directories, private_file, toml_file};

/// An org with its credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) entry: Entry,
    pub(crate) secrets: Secrets,
}

impl Profile {
    /// Of an org of the server at `url`.
    pub(crate) fn of_server(url: &str, credentials: OrgCredentials) -> Self {
        let OrgCredentials { client_id, client_secret, refresh_token } = credentials;
        let hosts = Hosts::at(url.to_owned(), url.to_owned());
        Self {
            entry: Entry { hosts, client_id, org: None, ca_file: None },
            secrets: Secrets { client_secret, refresh_token },
        }
    }

    /// Returns its org as a target; `name` is the name of the profile.
    pub(crate) fn target(&self, name: &str, ca_file: Option<PathBuf>) -> Target {
        Target {
            place: Place::Profile(name.to_owned()),
            hosts: self.entry.hosts.clone(),
            credential: Credential::refresh_token(
                self.entry.client_id.clone(),
                self.secrets.client_secret.clone(),
                self.secrets.refresh_token.clone(),
            ),
            org: self.entry.org.clone(),
            version: ApiVersion::default(),
            ca_file: ca_file.or_else(|| self.entry.ca_file.clone()),
            server: None,
        }
    }
}

/// The entry of a profile in `config.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "config::RawEntry")]
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
    pub(crate) fn entry(&self, name: &str) -> Result<&Entry, Failure> {
        self.entries().get(name).ok_or_else(|| {
            let all = enumerated(self.entries().keys());
            let unknown = Failure::usage(format!("there is no profile {name:?}; {all}"));
            unknown.hint(match check_name(name) {
                Ok(()) => format!("run `portal login --profile {name}` to create it"),
                Err(_) => "run `portal profiles` to list them".to_owned(),
            })
        })
    }

    /// Returns the profile `name` with its secrets.
    pub(crate) fn get(&self, name: &str) -> Result<Profile, Failure> {
        let entry = self.entry(name)?.clone();
        let secrets = self.secrets()?.get(name).cloned().ok_or_else(|| {
            let path = credentials_path(&self.directory);
            Failure::usage(format!("the profile {name} has no secrets in {}", path.display()))
                .hint(format!("run `portal login{}` to store new ones", profile_flag(name)))
        })?;
        Ok(Profile { entry, secrets })
    }

    /// Returns the other profiles that have the same refresh token at the same accounts server.
    pub(crate) fn sharing_token(&self, name: &str) -> Result<Vec<&str>, Failure> {
        let token = |profile: &Profile| {
            (profile.entry.hosts.accounts.clone(), profile.secrets.refresh_token.clone())
        };
        let shared = token(&self.get(name)?);
        let others = self.entries().keys().map(String::as_str).filter(|other| *other != name);
        Ok(others
            .filter(|other| self.get(other).is_ok_and(|other| token(&other) == shared))
            .collect())
    }

    /// Checks that the file with the secrets is usable.
    pub(crate) fn check_secrets(&self) -> Result<(), Failure> {
        self.secrets().map(drop)
    }

    fn secrets(&self) -> Result<&BTreeMap<String, Secrets>, Failure> {
        if let Some(secrets) = self.secrets.get() {
            return Ok(secrets);
        }
        let read = || {
            private_file::refuse_if_all_can_change(&self.directory)?;
            private_file::refuse_if_all_can_change(&config_path(&self.directory))?;
            credentials::read(&credentials_path(&self.directory))
        };
        let secrets = read().map_err(|error| Failure::usage(format!("{error:#}")))?;
        Ok(self.secrets.get_or_init(|| secrets))
    }
}

/// Checks that a profile can be stored, before what can be used only once is used up for it.
pub(crate) fn check_writable(directory: &Path) -> anyhow::Result<()> {
    /// As much as the files of many profiles have: a full disk has no room for it.
    const ENOUGH: [u8; 1 << 14] = [0; 1 << 14];
    let _lock = lock(directory)?;
    tempfile::tempfile_in(directory)
        .and_then(|mut file| file.write_all(&ENOUGH))
        .with_context(|| format!("cannot write to {}", directory.display()))
}

/// Adds or replaces a profile.
pub(crate) fn store(directory: &Path, name: &str, profile: &Profile) -> anyhow::Result<()> {
    edit(directory, |config, secrets| {
        secrets.insert(name.to_owned(), profile.secrets.clone());
        config::insert(config, name, &profile.entry)
    })
}

/// Renames a profile.
pub(crate) fn rename(directory: &Path, old: &str, new: &str) -> anyhow::Result<()> {
    edit(directory, |config, secrets| {
        if let Some(own) = secrets.remove(old) {
            secrets.insert(new.to_owned(), own);
        }
        config::rename(config, old, new)
    })
}

/// Sets the profile that is used if no org is selected.
pub(crate) fn set_default(directory: &Path, name: &str) -> anyhow::Result<()> {
    edit(directory, |config, _| {
        config::set_default(config, name);
        Ok(())
    })
}

/// Removes a profile with its secrets.
pub(crate) fn remove(directory: &Path, name: &str) -> anyhow::Result<()> {
    edit(directory, |config, secrets| {
        secrets.remove(name);
        config::remove(config, name)
    })
}

/// Changes both files. If the process ends in between, the same command completes the rest.
fn edit(
    directory: &Path,
    change: impl FnOnce(&mut DocumentMut, &mut BTreeMap<String, Secrets>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let _lock = lock(directory)?;
    let (config, credentials) = (config_path(directory), credentials_path(directory));
    let context = || format!("{} can't be edited", config.display());
    let mut document: DocumentMut = toml_file::read(&config)?.parse().with_context(context)?;
    let mut secrets = credentials::read(&credentials)?;
    let before = secrets.clone();
    change(&mut document, &mut secrets).with_context(context)?;
    // First, so that every listed profile has its secrets.
    if secrets != before {
        credentials::write(&credentials, &secrets)?;
    }
    private_file::replace(&config, &document.to_string())
}

/// Checks that `name` is a valid name for a profile.
pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    // One that begins with `-` would be a flag where it is printed.
    let is_odd = name.is_empty() || name.len() > 64 || name.starts_with('-');
    if is_odd || !name.chars().all(is_allowed) {
        return Err(Failure::usage(format!(
            "{name:?} can't be the name of a profile: expected up to 64 of the letters A-Z, a-z, the \
             digits 0-9, and _ . -, not beginning with -"
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
    private_file::options()
        .create(true)
        .open(&path)
        .and_then(|file| file.lock().map(|()| file))
        .with_context(|| format!("{} can't be locked", path.display()))
}

#[cfg(test)]
mod tests;
