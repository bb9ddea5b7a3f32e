//! The subcommands that change something.

use std::env;

use portal_model::Scope;
use portal_store::seed::{SeedCredential, SeedGrant};
use portal_store::{AdminChange, Permission, PortalLimit, RegistryError, token};
use schemars::JsonSchema;
use serde::Serialize;

use super::command::{Command, Credential, Org, User};

/// What `portal admin` changed. Secrets are printed once.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Changed<'a> {
    OrgAdded {
        /// The name of the org.
        org: &'a str,
    },
    OrgRemoved {
        /// The name of the org.
        org: &'a str,
    },
    UserAdded {
        /// The name of the org.
        org: &'a str,
        email: &'a str,
    },
    UserRemoved {
        /// The name of the org.
        org: &'a str,
        email: &'a str,
    },
    PermissionsSet {
        /// The name of the org.
        org: &'a str,
        email: &'a str,
        #[schemars(extend("items" = { "enum": ["manage_portal", "manage_portal_users"] }))]
        permissions: Vec<&'static str>,
    },
    CredentialAdded {
        /// The name of the org.
        org: &'a str,
        /// Of the user.
        email: &'a str,
        client_id: &'a str,
        client_secret: &'a str,
        refresh_token: &'a str,
    },
    SecretRotated {
        client_id: &'a str,
        client_secret: &'a str,
    },
    CredentialRevoked {
        /// The client id or fingerprint that was revoked.
        credential: &'a str,
    },
}

/// The change that a command makes; `None` if it only shows something.
pub(super) fn change(command: &Command) -> Result<Option<AdminChange>, RegistryError> {
    Ok(Some(match command.clone() {
        Command::Org(Org::Add { org, environment, one_portal }) => {
            let portal_limit = if one_portal { PortalLimit::One } else { PortalLimit::Unlimited };
            AdminChange::AddOrg { org, environment, portal_limit }
        }
        Command::Org(Org::Remove { org }) => AdminChange::RemoveOrg { org },
        Command::User(User::Add { org, email, name, permissions }) => AdminChange::AddUser {
            org,
            name: name.unwrap_or_else(|| email.clone()),
            email,
            permissions: permissions.into_iter().collect(),
        },
        Command::User(User::Remove { org, email }) => AdminChange::RemoveUser { org, email },
        Command::User(User::SetPermissions { org, email, permissions }) => {
            let permissions = permissions.into_iter().collect();
            AdminChange::SetPermissions { org, email, permissions }
        }
        Command::Credential(Credential::Add { org, email, scopes }) => {
            let scopes = if scopes.is_empty() { default_scopes() } else { scopes };
            let credential = SeedCredential::generate(scopes)?;
            AdminChange::AddCredential { org, email, credential }
        }
        Command::Credential(Credential::Rotate { client_id }) => {
            AdminChange::RotateSecret { client_id, client_secret: token::generate_client_secret()? }
        }
        Command::Credential(Credential::Revoke { credential }) => {
            AdminChange::RevokeCredential { credential }
        }
        Command::Org(Org::List)
        | Command::User(User::List { .. })
        | Command::Credential(Credential::List { .. })
        | Command::Log { .. } => return Ok(None),
    }))
}

/// What is printed of a change once it is made.
pub(super) fn made(change: &AdminChange) -> Option<(String, Changed<'_>)> {
    Some(match change {
        AdminChange::AddOrg { org, .. } => (format!("Added org {org}"), Changed::OrgAdded { org }),
        AdminChange::RemoveOrg { org } => (
            format!("Removed org {org} and revoked its credentials; its portals stay"),
            Changed::OrgRemoved { org },
        ),
        AdminChange::AddUser { org, email, .. } => {
            (format!("Added user {email} to org {org}"), Changed::UserAdded { org, email })
        }
        AdminChange::RemoveUser { org, email } => (
            format!("Removed user {email} from org {org} and revoked the credentials"),
            Changed::UserRemoved { org, email },
        ),
        AdminChange::SetPermissions { org, email, permissions } => {
            let permissions: Vec<_> =
                permissions.iter().copied().map(Permission::seed_name).collect();
            let names =
                if permissions.is_empty() { "none".to_owned() } else { permissions.join(", ") };
            (
                format!("Set the permissions of {email} in org {org}: {names}"),
                Changed::PermissionsSet { org, email, permissions },
            )
        }
        AdminChange::AddCredential { org, email, credential } => {
            let SeedCredential { client_id, client_secret, grant, .. } = credential;
            let (SeedGrant::RefreshToken(refresh_token) | SeedGrant::Code(refresh_token)) = grant;
            let (client_secret, refresh_token) = (client_secret.expose(), refresh_token.expose());
            (
                format!(
                    "Added a credential of {email} in org {org}; its secrets are not shown again\n\
                     client_id      {client_id}\n\
                     client_secret  {client_secret}\n\
                     refresh_token  {refresh_token}"
                ),
                Changed::CredentialAdded { org, email, client_id, client_secret, refresh_token },
            )
        }
        AdminChange::RotateSecret { client_id, client_secret } => {
            let client_secret = client_secret.expose();
            (
                format!(
                    "Rotated the secret of client {client_id}; it is not shown again\n\
                     client_secret  {client_secret}"
                ),
                Changed::SecretRotated { client_id, client_secret },
            )
        }
        AdminChange::RevokeCredential { credential } => {
            (format!("Revoked {credential}"), Changed::CredentialRevoked { credential })
        }
        _ => return None,
    })
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
