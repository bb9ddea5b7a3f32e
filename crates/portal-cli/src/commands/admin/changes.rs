//! The subcommands that change something.

use std::collections::BTreeSet;
use std::env;

use portal_model::Scope;
use portal_store::seed::{SeedCredential, SeedGrant};
use portal_store::{AdminChange, Permission, PortalLimit, RegistryError, token};
use serde_json::{Value, json};

use super::command::{Command, Credential, Org, User};

/// The change that a command makes, and what is printed once it is made, for people and for machines;
/// `None` if the command only shows something. Secrets are printed once.
pub(super) fn change(
    command: &Command,
) -> Result<Option<(AdminChange, String, Value)>, RegistryError> {
    Ok(Some(match command {
        Command::Org(Org::Add { org, environment, one_portal }) => {
            let portal_limit = if *one_portal { PortalLimit::One } else { PortalLimit::Unlimited };
            (
                AdminChange::AddOrg { org: org.clone(), environment: *environment, portal_limit },
                format!("Added org {org}"),
                json!({ "event": "org_added", "org": org }),
            )
        }
        Command::Org(Org::Remove { org }) => (
            AdminChange::RemoveOrg { org: org.clone() },
            format!("Removed org {org} and revoked its credentials; its portals stay"),
            json!({ "event": "org_removed", "org": org }),
        ),
        Command::User(User::Add { org, email, name, permissions }) => (
            AdminChange::AddUser {
                org: org.clone(),
                email: email.clone(),
                name: name.as_ref().unwrap_or(email).clone(),
                permissions: permissions.iter().copied().collect(),
            },
            format!("Added user {email} to org {org}"),
            json!({ "event": "user_added", "org": org, "email": email }),
        ),
        Command::User(User::Remove { org, email }) => (
            AdminChange::RemoveUser { org: org.clone(), email: email.clone() },
            format!("Removed user {email} from org {org} and revoked the credentials"),
            json!({ "event": "user_removed", "org": org, "email": email }),
        ),
        Command::User(User::SetPermissions { org, email, permissions }) => {
            let permissions: BTreeSet<_> = permissions.iter().copied().collect();
            let (names, text) = named(&permissions, "none");
            (
                AdminChange::SetPermissions { org: org.clone(), email: email.clone(), permissions },
                format!("Set the permissions of {email} in org {org}: {text}"),
                json!({
                    "event": "permissions_set",
                    "org": org,
                    "email": email,
                    "permissions": names,
                }),
            )
        }
        Command::Credential(Credential::Add { org, email, scopes }) => {
            let scopes = if scopes.is_empty() { default_scopes() } else { scopes.clone() };
            let credential = SeedCredential::generate(scopes)?;
            let (SeedGrant::RefreshToken(refresh_token) | SeedGrant::Code(refresh_token)) =
                &credential.grant;
            let client_id = credential.client_id.clone();
            let client_secret = credential.client_secret.expose().to_owned();
            let refresh_token = refresh_token.expose().to_owned();
            (
                AdminChange::AddCredential { org: org.clone(), email: email.clone(), credential },
                format!(
                    "Added a credential of {email} in org {org}; its secrets are not shown again\n\
                     client_id      {client_id}\n\
                     client_secret  {client_secret}\n\
                     refresh_token  {refresh_token}"
                ),
                json!({
                    "event": "credential_added",
                    "org": org,
                    "email": email,
                    "client_id": client_id,
                    "client_secret": client_secret,
                    "refresh_token": refresh_token,
                }),
            )
        }
        Command::Credential(Credential::Rotate { client_id }) => {
            let secret = token::generate_client_secret()?;
            let client_secret = secret.expose().to_owned();
            (
                AdminChange::RotateSecret { client_id: client_id.clone(), client_secret: secret },
                format!(
                    "Rotated the secret of client {client_id}; it is not shown again\n\
                     client_secret  {client_secret}"
                ),
                json!({
                    "event": "secret_rotated",
                    "client_id": client_id,
                    "client_secret": client_secret,
                }),
            )
        }
        Command::Credential(Credential::Revoke { credential }) => (
            AdminChange::RevokeCredential { credential: credential.clone() },
            format!("Revoked {credential}"),
            json!({ "event": "credential_revoked", "credential": credential }),
        ),
        Command::Org(Org::List)
        | Command::User(User::List { .. })
        | Command::Credential(Credential::List { .. })
        | Command::Log { .. }
        | Command::Backup { .. } => return Ok(None),
    }))
}

/// Permissions by their names, and as a text.
pub(super) fn named(permissions: &BTreeSet<Permission>, none: &str) -> (Vec<&'static str>, String) {
    let names: Vec<_> = permissions.iter().copied().map(Permission::seed_name).collect();
    let text = if names.is_empty() { none.to_owned() } else { names.join(", ") };
    (names, text)
}

/// The name of the person, as far as the system tells. It is a note for the log, not a proof.
pub(super) fn operator() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME", "USERNAME"];
    let name = names.into_iter().find_map(|name| env::var(name).ok().filter(|it| !it.is_empty()));
    name.unwrap_or_else(|| "unknown".to_owned())
}

fn default_scopes() -> Vec<Scope> {
    vec![Scope::PORTAL_ALL, Scope::new("ZohoCRM.users.READ"), Scope::new("ZohoCRM.org.READ")]
}
