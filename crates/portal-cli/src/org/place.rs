//! [`Place`]: how the org of a create was selected.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How the org of a create was selected, without secrets.
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
        /// A fingerprint of the refresh token: one client can have tokens of many orgs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credential: Option<String>,
    },
}

impl Place {
    /// Returns the profile, if one was used.
    pub(crate) fn profile(&self) -> Option<&str> {
        match self {
            Self::Profile(name) => Some(name),
            Self::Local | Self::Explicit { .. } => None,
        }
    }

    /// Returns the arguments that select the org again, each preceded by a space, for suggested
    /// commands. An explicit place needs none, because the environment selects it.
    pub(crate) fn arguments(&self) -> String {
        match self {
            Self::Local => " --local".to_owned(),
            Self::Profile(name) => format!(" --profile {name}"),
            Self::Explicit { .. } => String::new(),
        }
    }
}

/// Formats as `the local org`, `the org of profile acme` or `the org at https://www.zohoapis.eu`.
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
