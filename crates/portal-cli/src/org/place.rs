//! How a create was led to its org: [`Place`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a create was led to its org, without a secret.
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
        /// What tells refresh tokens apart: one client can have those of many orgs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credential: Option<String>,
    },
}

impl Place {
    /// The profile, if it is one.
    pub(crate) fn profile(&self) -> Option<&str> {
        match self {
            Self::Profile(name) => Some(name),
            Self::Local | Self::Explicit { .. } => None,
        }
    }

    /// The arguments that lead there, each after a space, for a command to run next. The environment
    /// leads to an explicit place.
    pub(crate) fn arguments(&self) -> String {
        match self {
            Self::Local => " --local".to_owned(),
            Self::Profile(name) => format!(" --profile {name}"),
            Self::Explicit { .. } => String::new(),
        }
    }
}

/// `the local org`, `the org of profile acme`, `the org at https://www.zohoapis.eu`
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
