//! `credentials.toml`: the secrets of each profile, readable only by its owner.

use std::collections::BTreeMap;
use std::path::Path;

use portal_model::Secret;
use serde::Deserialize;
use toml_edit::{DocumentMut, Item, Table, value};

use super::file;
use crate::sys::private_file::refuse_if_others_can_read;

/// The secrets of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    pub(crate) client_secret: Secret,
    pub(crate) refresh_token: Secret,
}

pub(super) fn read(path: &Path) -> anyhow::Result<BTreeMap<String, Secrets>> {
    refuse_if_others_can_read(path)?;
    // The parser's messages quote keys and values, any of which may be a secret.
    let explain = |_: &toml::de::Error| {
        "expected tables such as [acme], each with client_secret and refresh_token only".to_owned()
    };
    file::parse(path, &file::read(path)?, explain)
}

pub(super) fn insert(path: &Path, name: &str, secrets: &Secrets) -> anyhow::Result<()> {
    let mut all = read(path)?;
    all.insert(name.to_owned(), secrets.clone());
    write(path, &all)
}

pub(super) fn rename(path: &Path, old: &str, new: &str) -> anyhow::Result<()> {
    let mut all = read(path)?;
    let Some(secrets) = all.remove(old) else { return Ok(()) };
    all.insert(new.to_owned(), secrets);
    write(path, &all)
}

pub(super) fn remove(path: &Path, name: &str) -> anyhow::Result<()> {
    let mut all = read(path)?;
    match all.remove(name) {
        Some(_) => write(path, &all),
        None => Ok(()),
    }
}

fn write(path: &Path, all: &BTreeMap<String, Secrets>) -> anyhow::Result<()> {
    const NOTE: &str = "# Written by `portal login`. Whoever reads it can act as you.\n\n";
    let mut document = DocumentMut::new();
    for (name, secrets) in all {
        let mut table = Table::new();
        table.insert("client_secret", value(secrets.client_secret.expose()));
        table.insert("refresh_token", value(secrets.refresh_token.expose()));
        document.insert(name, Item::Table(table));
    }
    file::replace(path, &format!("{NOTE}{document}"))
}
