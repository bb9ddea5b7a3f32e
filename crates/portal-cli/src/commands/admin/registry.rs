//! An open registry, and the failures of what is done with it: [`Admin`].

use std::fmt;
use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, TypedValueParser as _};
use portal_model::Secret;
use portal_model::neutral::shell_word;
use portal_store::{AdminRefusal, RegistryError};

use crate::report::failure::{ErrorKind, Failure};
use crate::terminal::printer::Printer;

/// Where the registry is.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The data directory, as `portal serve --data` has it
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// The PostgreSQL database, as `portal serve --database-url` has it
    #[arg(long, global = true, value_name = "URL", env = "PORTAL_DATABASE_URL")]
    #[arg(hide_env_values = true, conflicts_with = "data")]
    #[arg(value_parser = NonEmptyStringValueParser::new().map(Secret::new))]
    pub(super) database_url: Option<Secret>,
}

/// Formats as the argument that leads to the registry, after a space, for commands in hints. The URL of
/// a database has a password.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.data {
            Some(data) => write!(f, " --data {}", shell_word(&data.to_string_lossy())),
            None => Ok(()),
        }
    }
}

/// An open registry.
pub(super) struct Admin<'a, R> {
    pub(super) registry: R,
    pub(super) place: &'a Place,
    pub(super) printer: &'a Printer,
}

impl<R> Admin<'_, R> {
    /// An error of the engine; whether a change was kept may be unknown.
    pub(super) fn failed(&self, error: RegistryError) -> Failure {
        match error {
            RegistryError::Unknown(_) => Failure::new(ErrorKind::Unknown, error.to_string()).hint(
                format!("`portal admin log{}` shows whether the change was made", self.place),
            ),
            error => error.into(),
        }
    }

    pub(super) fn refused(&self, refusal: &AdminRefusal) -> Failure {
        let failure = |kind| Failure::new(kind, refusal.to_string());
        let place = self.place;
        match refusal {
            AdminRefusal::OrgExists(_)
            | AdminRefusal::UserExists { .. }
            | AdminRefusal::ClientExists(_) => failure(ErrorKind::Exists),
            AdminRefusal::RemovedOrgDiffers(_) => failure(ErrorKind::Refused)
                .hint("pass the `--environment` and `--one-portal` that it had"),
            AdminRefusal::LastAdmin { .. } => failure(ErrorKind::Refused)
                .hint("give another user both permissions first, or remove the org"),
            AdminRefusal::UnknownOrg(_) => failure(ErrorKind::NotFound)
                .hint(format!("`portal admin org list{place}` shows the orgs")),
            AdminRefusal::UnknownUser { org, .. } => failure(ErrorKind::NotFound).hint(format!(
                "`portal admin user list {}{place}` shows its users",
                shell_word(org)
            )),
            _ => failure(ErrorKind::NotFound).hint(format!(
                "`portal admin credential list ORG{place}` shows the credentials of an org"
            )),
        }
    }
}
