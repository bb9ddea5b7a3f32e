//! The subcommands that change something.

use std::collections::BTreeSet;
use std::env;

use clap::ValueEnum;
use clap::builder::NonEmptyStringValueParser;
use portal_model::neutral::shell_word;
use portal_model::{Environment, Scope, Secret};
use portal_store::seed::{SeedCredential, SeedGrant};
use portal_store::{AdminChange, AdminRefusal, Administration, Permission, PortalLimit, token};
use serde::Serialize;
use serde_json::json;

use super::{failed, unknown_org};
use crate::org::data_directory;
use crate::report::exit::ExitClass;
use crate::report::failure::{ErrorReport, Failure};
use crate::terminal::printer::Printer;

/// Add an org, or restore a removed one
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  portal admin org add Acme --data ./portals")]
pub(super) struct AddOrg {
    /// Its name, unique in a registry
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    org: String,
    /// Its kind
    #[arg(long, value_enum, default_value = "production")]
    environment: EnvironmentArg,
    /// Allow one portal only
    #[arg(long)]
    one_portal: bool,
}

/// Remove an org, its users and their credentials
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Its portals stay, and their names stay taken. `portal admin org add` restores it, with new credentials.

Examples:
  portal admin org remove Acme --data ./portals")]
pub(super) struct RemoveOrg {
    /// Its name
    org: String,
}

/// Add a user to an org, or restore a removed one
#[derive(Debug, clap::Args)]
#[command(after_help = "\
To create and rename portals a user needs both permissions.

Examples:
  portal admin user add Acme ada@acme.example --name \"Ada Lovelace\" \\
    --permission manage_portal --permission manage_portal_users --data ./portals")]
pub(super) struct AddUser {
    /// The name of the org
    org: String,
    /// The e-mail address, unique in the org
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    email: String,
    /// The display name [default: the e-mail address]
    #[arg(long)]
    name: Option<String>,
    /// Allow the user to do this; repeatable
    #[arg(long = "permission", value_name = "PERMISSION", value_enum)]
    permissions: Vec<PermissionArg>,
}

/// Remove a user, and revoke the credentials
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  portal admin user remove Acme ada@acme.example --data ./portals"
)]
pub(super) struct RemoveUser {
    /// The name of the org
    org: String,
    /// The e-mail address
    email: String,
}

/// Replace the permissions of a user
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  portal admin user set-permissions Acme ada@acme.example \
                        manage_portal --data ./portals")]
pub(super) struct SetPermissions {
    /// The name of the org
    org: String,
    /// The e-mail address
    email: String,
    /// All of the new permissions; none removes them all
    #[arg(value_name = "PERMISSION", value_enum)]
    permissions: Vec<PermissionArg>,
}

/// Add a new client with a refresh token, and print its secrets once
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The registry keeps hashes only: store what is printed at once.

Examples:
  portal admin credential add Acme ada@acme.example --data ./portals")]
pub(super) struct AddCredential {
    /// The name of the org
    org: String,
    /// The e-mail address of the user
    email: String,
    /// Allow this scope; repeatable [default: portals, and reading users and the org]
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
    scopes: Vec<Scope>,
}

/// Replace the secret of a client, and print the new one once
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The old secret is refused from then on, for all refresh tokens of the client. Access tokens stay valid \
for the rest of their hour; `portal admin credential revoke` ends them at once.

Examples:
  portal admin credential rotate 1000.3F9A --data ./portals")]
pub(super) struct Rotate {
    /// The client id
    client_id: String,
}

/// Revoke refresh tokens, with the access tokens that came from them
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  portal admin credential revoke 1000.3F9A --data ./portals")]
pub(super) struct Revoke {
    /// A client id, or the fingerprint of one refresh token as `list` shows it
    #[arg(value_name = "CLIENT_ID|FINGERPRINT")]
    credential: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EnvironmentArg {
    Production,
    Sandbox,
    Developer,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum PermissionArg {
    ManagePortal,
    ManagePortalUsers,
}

impl AddOrg {
    pub(super) async fn run(
        &self,
        registry: &impl Administration,
        printer: &Printer,
    ) -> Result<ExitClass, Failure> {
        let org = &self.org;
        let change = AdminChange::AddOrg {
            org: org.clone(),
            environment: match self.environment {
                EnvironmentArg::Production => Environment::Production,
                EnvironmentArg::Sandbox => Environment::Sandbox,
                EnvironmentArg::Developer => Environment::Developer,
            },
            portal_limit: if self.one_portal { PortalLimit::One } else { PortalLimit::Unlimited },
        };
        administer(registry, &change).await?;
        printer
            .result(format_args!("Added org {org}"), &json!({ "event": "org_added", "org": org }));
        Ok(ExitClass::Success)
    }
}

impl RemoveOrg {
    pub(super) async fn run(
        &self,
        registry: &impl Administration,
        printer: &Printer,
    ) -> Result<ExitClass, Failure> {
        let org = &self.org;
        administer(registry, &AdminChange::RemoveOrg { org: org.clone() }).await?;
        printer.result(
            format_args!("Removed org {org} and revoked its credentials; its portals stay"),
            &json!({ "event": "org_removed", "org": org }),
        );
        Ok(ExitClass::Success)
    }
}

impl AddUser {
    pub(super) async fn run(
        &self,
        registry: &impl Administration,
        printer: &Printer,
    ) -> Result<ExitClass, Failure> {
        let Self { org, email, name, .. } = self;
        let change = AdminChange::AddUser {
            org: org.clone(),
            email: email.clone(),
            name: name.as_ref().unwrap_or(email).clone(),
            permissions: permissions(&self.permissions),
        };
        administer(registry, &change).await?;
        printer.result(
            format_args!("Added user {email} to org {org}"),
            &json!({ "event": "user_added", "org": org, "email": email }),
        );
        Ok(ExitClass::Success)
    }
}

impl RemoveUser {
    pub(super) async fn run(
        &self,
        registry: &impl Administration,
        printer: &Printer,
    ) -> Result<ExitClass, Failure> {
        let Self { org, email } = self;
        let change = AdminChange::RemoveUser { org: org.clone(), email: email.clone() };
        administer(registry, &change).await?;
        printer.result(
            format_args!("Removed user {email} from org {org} and revoked the credentials"),
            &json!({ "event": "user_removed", "org": org, "email": email }),
        );
        Ok(ExitClass::Success)
    }
}

impl SetPermissions {
    pub(super) async fn run(
        &self,
        registry: &impl Administration,
        printer: &Printer,
    ) -> Result<ExitClass, Failure> {
        let Self { org, email, .. } = self;
        let permissions = permissions(&self.permissions);
        let names: Vec<_> = permissions.iter().map(|it| it.seed_name()).collect();
        let change =
            AdminChange::SetPermissions { org: org.clone(), email: email.clone(), permissions };
        administer(registry, &change).await?;
        let text = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        printer.result(
            format_args!("Set the permissions of {email} in org {org}: {text}"),
            &json!({
                "event": "permissions_set", "org": org, "email": email, "permissions": names,
            }),
        );
        Ok(ExitClass::Success)
    }
}

/// Secrets that are printed once.
#[derive(Serialize)]
struct Added<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    client_id: &'a str,
    client_secret: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
}

impl AddCredential {
    pub(super) async fn run(
        &self,
        registry: &impl Administration,
        printer: &Printer,
    ) -> Result<ExitClass, Failure> {
        let Self { org, email, .. } = self;
        let scopes = if self.scopes.is_empty() { default_scopes() } else { self.scopes.clone() };
        let credential = SeedCredential::generate(scopes)?;
        let change = AdminChange::AddCredential {
            org: org.clone(),
            email: email.clone(),
            credential: credential.clone(),
        };
        administer(registry, &change).await?;
        let SeedCredential { client_id, client_secret, grant, .. } = &credential;
        let (SeedGrant::RefreshToken(refresh_token) | SeedGrant::Code(refresh_token)) = grant;
        printer.result(
            format_args!(
                "Added a credential of {email} in org {org}; its secrets are not shown again\n\
                 client_id      {client_id}\n\
                 client_secret  {}\n\
                 refresh_token  {}",
                client_secret.expose(),
                refresh_token.expose()
            ),
            &Added {
                event: "credential_added",
                org: Some(org),
                email: Some(email),
                client_id,
                client_secret: client_secret.expose(),
                refresh_token: Some(refresh_token.expose()),
            },
        );
        Ok(ExitClass::Success)
    }
}

impl Rotate {
    pub(super) async fn run(
        &self,
        registry: &impl Administration,
        printer: &Printer,
    ) -> Result<ExitClass, Failure> {
        let client_id = &self.client_id;
        let client_secret: Secret = token::generate_client_secret()?;
        let change = AdminChange::RotateSecret {
            client_id: client_id.clone(),
            client_secret: client_secret.clone(),
        };
        administer(registry, &change).await?;
        printer.result(
            format_args!(
                "Rotated the secret of client {client_id}; it is not shown again\n\
                 client_secret  {}",
                client_secret.expose()
            ),
            &Added {
                event: "secret_rotated",
                org: None,
                email: None,
                client_id,
                client_secret: client_secret.expose(),
                refresh_token: None,
            },
        );
        Ok(ExitClass::Success)
    }
}

impl Revoke {
    pub(super) async fn run(
        &self,
        registry: &impl Administration,
        printer: &Printer,
    ) -> Result<ExitClass, Failure> {
        let credential = &self.credential;
        let change = AdminChange::RevokeCredential { credential: credential.clone() };
        administer(registry, &change).await?;
        printer.result(
            format_args!("Revoked {credential}"),
            &json!({ "event": "credential_revoked", "credential": credential }),
        );
        Ok(ExitClass::Success)
    }
}

async fn administer(registry: &impl Administration, change: &AdminChange) -> Result<(), Failure> {
    let made = registry.administer(change, &operator(), data_directory::now()?).await;
    made.map_err(failed)?.map_err(|refusal| refused(&refusal))
}

/// The name of the person, as far as the system tells. It is a note for the log, not a proof.
fn operator() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME", "USERNAME"];
    let name = names.into_iter().find_map(|name| env::var(name).ok().filter(|it| !it.is_empty()));
    name.unwrap_or_else(|| "unknown".to_owned())
}

fn refused(refusal: &AdminRefusal) -> Failure {
    let (exit, kind, hint) = match refusal {
        AdminRefusal::UnknownOrg(org) => return unknown_org(org),
        AdminRefusal::OrgExists(_)
        | AdminRefusal::UserExists { .. }
        | AdminRefusal::ClientExists(_) => (ExitClass::Exists, "exists", None),
        AdminRefusal::RemovedOrgDiffers(_) => (
            ExitClass::Rejected,
            "refused",
            Some("pass the `--environment` and `--one-portal` that it had".to_owned()),
        ),
        AdminRefusal::LastAdmin { .. } => (
            ExitClass::Rejected,
            "refused",
            Some("give another user both permissions first, or remove the org".to_owned()),
        ),
        AdminRefusal::UnknownUser { org, .. } => (
            ExitClass::Rejected,
            "not_found",
            Some(format!("`portal admin user list {}` shows its users", shell_word(org))),
        ),
        _ => (
            ExitClass::Rejected,
            "not_found",
            Some("`portal admin credential list ORG` shows the credentials of an org".to_owned()),
        ),
    };
    let failure = Failure::new(exit, ErrorReport::new(kind, refusal.to_string()));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn permissions(given: &[PermissionArg]) -> BTreeSet<Permission> {
    let permission = |it: &PermissionArg| match it {
        PermissionArg::ManagePortal => Permission::ManagePortal,
        PermissionArg::ManagePortalUsers => Permission::ManagePortalUsers,
    };
    given.iter().map(permission).collect()
}

fn scope(text: &str) -> Result<Scope, &'static str> {
    let is_separator = |character: char| character == ',' || character.is_whitespace();
    if text.is_empty() || text.contains(is_separator) {
        return Err("expected one scope, such as ZohoCRM.settings.clientportal.ALL");
    }
    Ok(Scope::new(text))
}

fn default_scopes() -> Vec<Scope> {
    vec![Scope::PORTAL_ALL, Scope::new("ZohoCRM.users.READ"), Scope::new("ZohoCRM.org.READ")]
}
