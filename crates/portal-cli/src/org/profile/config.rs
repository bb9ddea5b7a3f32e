//! `config.toml`: where each profile's org is. People edit it, so their comments stay.
//!
//! ```toml
//! [profile.acme]
//! data_center = "eu"          # or api_domain and accounts_url
//! client_id = "1000.ABC"
//! org_id = "7000000001"       # for display; not there if the token cannot read it
//! org_name = "Acme Inc."
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use toml_edit::{DocumentMut, Item, Table, TableLike, value};

use super::{Entry, Hosts, file};
use crate::org::identity::OrgId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    profile: BTreeMap<String, RawEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    data_center: Option<String>,
    api_domain: Option<String>,
    accounts_url: Option<String>,
    client_id: String,
    org_id: Option<String>,
    org_name: Option<String>,
}

pub(super) fn read(path: &Path) -> anyhow::Result<BTreeMap<String, Entry>> {
    let explain = |error: &toml::de::Error| error.message().to_owned();
    let config: Config = file::parse(path, &file::read(path)?, explain)?;
    let entry = |(name, raw): (String, RawEntry)| {
        let entry = raw.check().with_context(|| format!("{}, profile {name}", path.display()))?;
        Ok((name, entry))
    };
    config.profile.into_iter().map(entry).collect()
}

impl RawEntry {
    fn check(self) -> anyhow::Result<Entry> {
        let hosts = match (self.data_center, self.api_domain, self.accounts_url) {
            (Some(data_center), None, None) => Hosts::DataCenter(data_center.parse()?),
            (None, Some(api_domain), Some(accounts_url)) => {
                Hosts::Urls { api_domain, accounts_url }
            }
            _ => bail!("expected either data_center, or both api_domain and accounts_url"),
        };
        let name = self.org_name;
        let org = self.org_id.map(|id| OrgId { id, name });
        Ok(Entry { hosts, client_id: self.client_id, org })
    }
}

pub(super) fn insert(path: &Path, name: &str, profile: &Entry) -> anyhow::Result<()> {
    let Entry { hosts, client_id, org } = profile;
    edit(path, |profiles| {
        let entry = profiles.entry(name).or_insert_with(|| Item::Table(Table::new()));
        let entry = entry.as_table_like_mut().context("a profile is no table")?;
        let (data_center, urls) = match hosts {
            Hosts::DataCenter(data_center) => (Some(data_center.code()), None),
            Hosts::Urls { api_domain, accounts_url } => (None, Some((api_domain, accounts_url))),
        };
        set(entry, "data_center", data_center);
        set(entry, "api_domain", urls.map(|(api_domain, _)| api_domain.as_str()));
        set(entry, "accounts_url", urls.map(|(_, accounts_url)| accounts_url.as_str()));
        set(entry, "client_id", Some(client_id));
        let org = org.as_ref();
        set(entry, "org_id", org.map(|org| org.id.as_str()));
        set(entry, "org_name", org.and_then(|org| org.name.as_deref()));
        Ok(())
    })
}

pub(super) fn remove(path: &Path, name: &str) -> anyhow::Result<()> {
    edit(path, |profiles| {
        profiles.remove(name);
        Ok(())
    })
}

/// Sets or removes a value; the comment beside it stays.
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

fn edit(
    path: &Path,
    change: impl FnOnce(&mut dyn TableLike) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let text = file::read(path)?;
    let mut document: DocumentMut =
        text.parse().with_context(|| format!("{} can't be edited", path.display()))?;
    let profiles = document.entry("profile").or_insert_with(|| {
        let mut table = Table::new();
        // Only the tables of the profiles themselves are written.
        table.set_implicit(true);
        Item::Table(table)
    });
    let profiles = profiles
        .as_table_like_mut()
        .with_context(|| format!("in {}, `profile` is no table", path.display()))?;
    change(profiles)?;
    file::replace(path, &document.to_string())
}
