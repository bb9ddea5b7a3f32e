//! `config.toml`: where each profile's org is. People edit it, so their comments stay.
//!
//! ```toml
//! default_profile = "acme"    # the one that is used where no other is named
//!
//! [profile.acme]
//! data_center = "eu"          # or api_domain and accounts_url
//! client_id = "1000.ABC"
//! org_id = "7000000001"       # of the org that its credentials lead to
//! org_name = "Acme Inc."      # for display
//! ca_file = "/etc/ca.pem"     # where one was given
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use portal_model::DataCenter;
use serde::Deserialize;
use toml_edit::{DocumentMut, Item, Table, TableLike, value};

use super::Entry;
use crate::org::target::{Hosts, stated_org};
use crate::sys::toml_file;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    #[serde(rename = "default_profile")]
    pub(super) default: Option<String>,
    #[serde(default, rename = "profile")]
    pub(super) entries: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEntry {
    data_center: Option<String>,
    api_domain: Option<String>,
    accounts_url: Option<String>,
    client_id: String,
    org_id: Option<String>,
    org_name: Option<String>,
    ca_file: Option<PathBuf>,
}

pub(super) fn read(path: &Path) -> anyhow::Result<Config> {
    let explain = |error: &toml::de::Error| error.message().to_owned();
    toml_file::parse(path, &toml_file::read(path)?, explain)
}

impl TryFrom<RawEntry> for Entry {
    type Error = anyhow::Error;

    fn try_from(raw: RawEntry) -> anyhow::Result<Self> {
        let hosts = match (raw.data_center, raw.api_domain, raw.accounts_url) {
            (Some(data_center), None, None) => Hosts::of(data_center.parse()?),
            (None, Some(api_domain), Some(accounts_url)) => Hosts::at(api_domain, accounts_url),
            _ => bail!("expected either data_center, or both api_domain and accounts_url"),
        };
        let name = raw.org_name;
        let org = raw.org_id.map(|id| stated_org(&id)).transpose()?.map(|org| org.named(name));
        Ok(Self { hosts, client_id: raw.client_id, org, ca_file: raw.ca_file })
    }
}

pub(super) fn insert(
    document: &mut DocumentMut,
    name: &str,
    profile: &Entry,
) -> anyhow::Result<()> {
    let Entry { hosts, client_id, org, ca_file } = profile;
    let entry = profiles(document)?
        .entry(name)
        .or_insert_with(|| Item::Table(Table::new()))
        .as_table_like_mut()
        .with_context(|| format!("expected a table for the profile {name}, found a value"))?;
    let data_center = hosts.data_center().map(DataCenter::code);
    let url = |url: Option<String>| url.filter(|_| data_center.is_none());
    set(entry, "data_center", data_center);
    set(entry, "api_domain", url(hosts.api.url()).as_deref());
    set(entry, "accounts_url", url(hosts.accounts.clone()).as_deref());
    set(entry, "client_id", Some(client_id));
    let org = org.as_ref();
    set(entry, "org_id", org.map(|org| org.id.as_str()));
    set(entry, "org_name", org.and_then(|org| org.name.as_deref()));
    let ca_file = ca_file.as_ref().map(|path| path.to_str().context("its path is not UTF-8"));
    set(entry, "ca_file", ca_file.transpose()?);
    Ok(())
}

/// Renames a profile; a default profile stays the default.
pub(super) fn rename(document: &mut DocumentMut, old: &str, new: &str) -> anyhow::Result<()> {
    let profiles = profiles(document)?;
    if let Some(entry) = profiles.remove(old) {
        profiles.insert(new, entry);
    }
    if default_is(document, old) {
        set_default(document, new);
    }
    Ok(())
}

pub(super) fn remove(document: &mut DocumentMut, name: &str) -> anyhow::Result<()> {
    profiles(document)?.remove(name);
    if default_is(document, name) {
        document.remove(DEFAULT);
    }
    Ok(())
}

pub(super) fn set_default(document: &mut DocumentMut, name: &str) {
    set(document.as_table_mut(), DEFAULT, Some(name));
}

const DEFAULT: &str = "default_profile";

fn default_is(document: &DocumentMut, name: &str) -> bool {
    document.get(DEFAULT).and_then(Item::as_str) == Some(name)
}

/// Returns the table of profiles.
fn profiles(document: &mut DocumentMut) -> anyhow::Result<&mut dyn TableLike> {
    let profiles = document.entry("profile").or_insert_with(|| {
        let mut table = Table::new();
        // Write only the profiles' own tables.
        table.set_implicit(true);
        Item::Table(table)
    });
    profiles.as_table_like_mut().context("`profile` is no table")
}

/// Sets or removes a value; keeps the comment next to it.
fn set(table: &mut dyn TableLike, key: &str, text: Option<&str>) {
    match (text, table.get_mut(key).and_then(Item::as_value_mut)) {
        (None, _) => drop(table.remove(key)),
        (Some(text), None) => drop(table.insert(key, value(text))),
        (Some(text), Some(old)) => {
            let decor = old.decor().clone();
            *old = text.into();
            *old.decor_mut() = decor;
        }
    }
}
