//! The subcommands that show something.

use portal_model::Scope;
use portal_store::{
    AdminRefusal, Administration, AuditAction, AuditEntry, Credential, PortalLimit, Registry, User,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::changes::named;
use super::registry::Admin;
use crate::report::failure::Failure;

/// An org, as `portal admin org list` shows it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct OrgRow<'a> {
    #[schemars(extend("enum" = ["production", "sandbox", "developer"]))]
    environment: &'static str,
    id: String,
    /// Its name.
    org: &'a str,
    /// null if it can have any number of portals.
    portal_limit: Option<u32>,
}

/// A user, as `portal admin user list` shows it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct UserRow<'a> {
    email: &'a str,
    id: String,
    name: &'a str,
    /// The name of the org.
    org: &'a str,
    #[schemars(extend("items" = { "enum": ["manage_portal", "manage_portal_users"] }))]
    permissions: Vec<&'static str>,
}

/// A credential without its secrets, as `portal admin credential list` shows it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct CredentialRow<'a> {
    client_id: &'a str,
    /// Of the user.
    email: &'a str,
    /// Tells one refresh token of a client from another.
    fingerprint: &'a str,
    /// The name of the org.
    org: &'a str,
    #[schemars(extend("format" = "date-time"))]
    revoked_at: Option<String>,
    scopes: Vec<&'a str>,
}

/// Who changed what on a server, and when.
#[derive(Serialize, JsonSchema)]
pub(crate) struct LogRow<'a> {
    action: &'a str,
    /// A client id, or the operator as the system names them.
    actor: &'a str,
    #[schemars(extend("format" = "date-time"))]
    at: String,
    detail: Option<&'a str>,
    /// The name of the org.
    org: Option<&'a str>,
    /// What was changed: a portal, an org, a user or a credential.
    subject: &'a str,
}

impl<R: Administration + Registry> Admin<'_, R> {
    pub(super) async fn orgs(&self) -> Result<(), Failure> {
        let orgs = self.registry.orgs().await?;
        self.printer.table(orgs.iter().map(|org| {
            let environment = org.environment.as_str();
            let (portal_limit, limit) = match org.portal_limit {
                PortalLimit::One => (Some(1), "one portal"),
                PortalLimit::Unlimited => (None, "any number of portals"),
            };
            let row = OrgRow { environment, id: org.id.to_string(), org: &org.name, portal_limit };
            ([org.name.clone(), format!("{environment}  {limit}")], row)
        }));
        Ok(())
    }

    pub(super) async fn users(&self, org: &str) -> Result<(), Failure> {
        let users = self.registry.users_of(org).await?;
        self.printer.table(self.of_org(org, users)?.iter().map(|user| {
            let (permissions, names) = named(&user.permissions, "no permission");
            let User { email, name, .. } = user;
            let row = UserRow { email, id: user.id.to_string(), name, org, permissions };
            ([email.clone(), name.clone(), names], row)
        }));
        Ok(())
    }

    pub(super) async fn credentials(&self, org: &str) -> Result<(), Failure> {
        let credentials = self.registry.credentials_of(org).await?;
        self.printer.table(self.of_org(org, credentials)?.iter().map(|it| {
            let Credential { client_id, email, fingerprint, scopes, revoked_at, .. } = it;
            let scopes: Vec<_> = scopes.iter().map(Scope::as_str).collect();
            let revoked_at = revoked_at.map(|at| at.to_string());
            let state = match &revoked_at {
                Some(at) => format!("revoked {at}"),
                None => scopes.join(","),
            };
            let cells = [email.clone(), client_id.clone(), format!("{fingerprint}  {state}")];
            (cells, CredentialRow { client_id, email, fingerprint, org, revoked_at, scopes })
        }));
        Ok(())
    }

    pub(super) async fn log(&self, limit: u32) -> Result<(), Failure> {
        let entries = self.registry.audit_log(limit).await?;
        self.printer.table(entries.iter().map(|entry| {
            let AuditEntry { at, actor, action, org, subject, detail, .. } = entry;
            let of_org = org.as_ref().filter(|org| *org != subject);
            let of_org = of_org.map(|org| format!(" of {org}")).unwrap_or_default();
            let more = match (action, detail) {
                (AuditAction::PortalRenamed, Some(old)) => format!(", was {old}"),
                (_, Some(detail)) if !detail.is_empty() => format!(": {detail}"),
                _ => String::new(),
            };
            let (at, action) = (at.to_string(), action.as_str());
            let subject_cell = format!("{subject}{of_org}{more}");
            let cells = [at.clone(), actor.clone(), action.to_owned(), subject_cell];
            let (org, detail) = (org.as_deref(), detail.as_deref());
            (cells, LogRow { action, actor, at, detail, org, subject })
        }));
        Ok(())
    }

    fn of_org<T>(&self, org: &str, found: Option<T>) -> Result<T, Failure> {
        found.ok_or_else(|| self.refused(&AdminRefusal::UnknownOrg(org.to_owned())))
    }
}
