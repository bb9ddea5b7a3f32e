//! Which org, with which credentials, over which client; profiles, and the server of `--local`.

pub(crate) mod create_probe;
pub(crate) mod data_directory;
pub(crate) mod default_org;
pub(crate) mod destination;
pub(crate) mod ledger;
pub(crate) mod local;
pub(crate) mod place;
pub(crate) mod profile;
pub(crate) mod retry;
pub(crate) mod running;
pub(crate) mod target;

use std::path::PathBuf;

use portal_model::neutral::printable_line;

/// Why an org, a profile or a server cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrgError {
    #[error("there is no profile {name:?}; {}", list(.profiles))]
    UnknownProfile { name: String, profiles: Vec<String> },
    #[error("the profile {name} has no secrets in {}", .path.display())]
    NoSecrets { name: String, path: PathBuf },
    #[error(transparent)]
    Unusable(anyhow::Error),
    #[error(
        "{0:?} can't be the name of a profile: expected up to 64 of the letters A-Z, a-z, the \
         digits 0-9, and _ . -, which is not the first"
    )]
    InvalidProfileName(String),
    #[error("no `portal serve` of this user runs{}", .port.map(|port| format!(" on port {port}")).unwrap_or_default())]
    NoServer { port: Option<u16> },
    #[error("{} servers run, on the ports {}", .ports.len(), .ports.join(", "))]
    SeveralServers { ports: Vec<String> },
    #[error("the server has no org called {name:?}; {}", list(.orgs))]
    UnknownOrg { name: String, orgs: Vec<String> },
    #[error("expected the name of an org; {}", list(.orgs))]
    SeveralOrgs { orgs: Vec<String> },
    #[error("the org {org:?} of the seed has no refresh token")]
    NoRefreshToken { org: String },
    #[error("the seed file differs from what {registry} keeps, where {differences}")]
    SeedDiffers { registry: String, differences: String },
    #[error("cannot use the ledger {place}: {why}; nothing was sent")]
    LedgerDatabase { place: String, why: String },
    #[error("{why}")]
    Ledger {
        /// Whether something may be in doubt that can't be read.
        may_hold_something: bool,
        why: String,
    },
}

/// `there are acme, beta`
fn list(profiles: &[String]) -> String {
    const SHOWN: usize = 8;
    match profiles {
        [] => "there is none yet".to_owned(),
        [one] => format!("there is only {}", printable_line(one)),
        all => {
            let some: Vec<_> = all.iter().take(SHOWN).map(|name| printable_line(name)).collect();
            match all.len() {
                count if count > SHOWN => format!("there are {count}, such as {}", some.join(", ")),
                _ => format!("there are {}", some.join(", ")),
            }
        }
    }
}
