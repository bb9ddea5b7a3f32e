//! What each subcommand does, and what is printed once it is done.

use std::collections::BTreeSet;
use std::env;

use portal_store::{AdminChange, Administration, Permission, PortalLimit, Registry, token};
use serde_json::json;

use super::command::{Command, Credential, Org, User};
use super::registry::Admin;
use crate::org::data_directory;
use crate::org::default_org::OrgCredentials;
use crate::report::failure::Failure;

impl<R: Administration + Registry> Admin<'_, R> {
    /// Performs a command; a backup is made without a registry. Secrets are printed once.
    pub(super) async fn perform(&self, command: &Command) -> Result<(), Failure> {
        let (change, text, done) = match command.clone() {
            Command::Org(Org::List) => return self.orgs().await,
            Command::User(User::List { org }) => return self.users(&org).await,
            Command::Credential(Credential::List { org }) => return self.credentials(&org).await,
            Command::Log { limit } => return self.log(limit).await,
            Command::Backup { .. } => return Ok(()),
            Command::Org(Org::Add { org, environment, one_portal }) => {
                let portal_limit =
                    if one_portal { PortalLimit::One } else { PortalLimit::Unlimited };
                let text = format!("Added org {org}");
                let done = json!({ "event": "org_added", "org": org });
                (AdminChange::AddOrg { org, environment, portal_limit }, text, done)
            }
            Command::Org(Org::Remove { org }) => {
                let text =
                    format!("Removed org {org} and revoked its credentials; its portals stay");
                let done = json!({ "event": "org_removed", "org": org });
                (AdminChange::RemoveOrg { org }, text, done)
            }
            Command::User(User::Add { org, email, name, permissions }) => {
                let text = format!("Added user {email} to org {org}");
                let done = json!({ "event": "user_added", "org": org, "email": email });
                let name = name.unwrap_or_else(|| email.clone());
                let permissions = BTreeSet::from_iter(permissions);
                (AdminChange::AddUser { org, email, name, permissions }, text, done)
            }
            Command::User(User::Remove { org, email }) => {
                let text =
                    format!("Removed user {email} from org {org} and revoked the credentials");
                let done = json!({ "event": "user_removed", "org": org, "email": email });
                (AdminChange::RemoveUser { org, email }, text, done)
            }
            Command::User(User::SetPermissions { org, email, permissions }) => {
                let permissions = BTreeSet::from_iter(permissions);
                let (names, all) = named(&permissions, "none");
                let text = format!("Set the permissions of {email} in org {org}: {all}");
                let done = json!({
                    "event": "permissions_set", "org": org, "email": email, "permissions": names,
                });
                (AdminChange::SetPermissions { org, email, permissions }, text, done)
            }
            Command::Credential(Credential::Add { org, email, scopes }) => {
                let secrets = OrgCredentials::generate()?;
                let credential = secrets.seed_credential();
                let credential =
                    if scopes.is_empty() { credential } else { credential.scopes(scopes) };
                let OrgCredentials { client_id, client_secret, refresh_token } = secrets;
                let (secret, token) = (client_secret.expose(), refresh_token.expose());
                let text = format!(
                    "Added a credential of {email} in org {org}; its secrets are not shown again\n\
                     client_id      {client_id}\n\
                     client_secret  {secret}\n\
                     refresh_token  {token}"
                );
                let done = json!({
                    "event": "credential_added", "org": org, "email": email,
                    "client_id": client_id, "client_secret": secret, "refresh_token": token,
                });
                (AdminChange::AddCredential { org, email, credential }, text, done)
            }
            Command::Credential(Credential::Rotate { client_id }) => {
                let client_secret = token::generate_client_secret()?;
                let secret = client_secret.expose();
                let text = format!(
                    "Rotated the secret of client {client_id}; it is not shown again\n\
                     client_secret  {secret}"
                );
                let done = json!({
                    "event": "secret_rotated", "client_id": client_id, "client_secret": secret,
                });
                (AdminChange::RotateSecret { client_id, client_secret }, text, done)
            }
            Command::Credential(Credential::Revoke { credential }) => {
                let text = format!("Revoked {credential}");
                let done = json!({ "event": "credential_revoked", "credential": credential });
                (AdminChange::RevokeCredential { credential }, text, done)
            }
        };
        let made = self.registry.administer(&change, &operator(), data_directory::now()?).await;
        made.map_err(|error| self.failed(error))?.map_err(|refusal| self.refused(&refusal))?;
        self.printer.result(text, &done);
        Ok(())
    }
}

/// Permissions by their names, and as a text.
pub(super) fn named(permissions: &BTreeSet<Permission>, none: &str) -> (Vec<&'static str>, String) {
    let names: Vec<_> = permissions.iter().copied().map(Permission::seed_name).collect();
    let text = if names.is_empty() { none.to_owned() } else { names.join(", ") };
    (names, text)
}

/// The name of the person, as far as the system tells. It is a note for the log, not a proof.
fn operator() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME", "USERNAME"];
    let name = names.into_iter().find_map(|name| env::var(name).ok().filter(|it| !it.is_empty()));
    name.unwrap_or_else(|| "unknown".to_owned())
}
