//! `credentials.toml`: the secrets of each profile, readable only by its owner.

use std::collections::BTreeMap;
use std::path::Path;

use portal_model::Secret;
use portal_model::secret::serialize_exposed;
use serde::{Deserialize, Serialize};

use crate::sys::private_file::{self, refuse_if_others_can_read};
use crate::sys::toml_file;

/// The secrets of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    #[serde(serialize_with = "serialize_exposed")]
    pub(crate) client_secret: Secret,
    #[serde(serialize_with = "serialize_exposed")]
    pub(crate) refresh_token: Secret,
}

pub(super) fn read(path: &Path) -> anyhow::Result<BTreeMap<String, Secrets>> {
    refuse_if_others_can_read(path)?;
    // The parser's messages quote keys and values, any of which may be a secret.
    let explain = |_: &toml::de::Error| {
        "expected tables such as [acme], each with client_secret and refresh_token only".to_owned()
    };
    toml_file::parse(path, &toml_file::read(path)?, explain)
}

pub(super) fn write(path: &Path, all: &BTreeMap<String, Secrets>) -> anyhow::Result<()> {
    const NOTE: &str = "# Written by `portal login`. Anyone who can read it can act as you.\n\n";
    private_file::replace(path, &format!("{NOTE}{}", toml::to_string(all)?))
}
