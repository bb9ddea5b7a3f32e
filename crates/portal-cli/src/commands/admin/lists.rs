//! The subcommands that show something.

use portal_model::Scope;
use portal_store::{
    AdminRefusal, Administration, AuditAction, AuditEntry, Credential, OrgId, PortalLimit,
    Registry, User,
};
use serde::Serialize;
use serde_json::json;

use super::changes::named;
use super::registry::Admin;
use crate::report::failure::Failure;

/// A credential of an org.
#[derive(Serialize)]
struct CredentialOf<'a> {
    org: &'a str,
    #[serde(flatten)]
    credential: Credential,
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
            let row = json!({
                "environment": environment,
                "id": org.id.to_string(),
                "org": org.name,
                "portal_limit": portal_limit,
            });
            ([org.name.clone(), format!("{environment}  {limit}")], row)
        }));
        Ok(())
    }

    pub(super) async fn users(&self, org: &str) -> Result<(), Failure> {
        let users = self.registry.users(self.org(org).await?).await?;
        self.printer.table(users.iter().map(|user| {
            let (permissions, names) = named(&user.permissions, "no permission");
            let User { email, name, .. } = user;
            let row = json!({
                "email": email,
                "id": user.id.to_string(),
                "name": name,
                "org": org,
                "permissions": permissions,
            });
            ([email.clone(), name.clone(), names], row)
        }));
        Ok(())
    }

    pub(super) async fn credentials(&self, org: &str) -> Result<(), Failure> {
        let credentials = self.registry.credentials(self.org(org).await?).await?;
        self.printer.table(credentials.into_iter().map(|credential| {
            let Credential { client_id, email, fingerprint, scopes, revoked_at, .. } = &credential;
            let scopes: Vec<_> = scopes.iter().map(Scope::as_str).collect();
            let state = match revoked_at {
                Some(at) => format!("revoked {at}"),
                None => scopes.join(","),
            };
            let cells = [email.clone(), client_id.clone(), format!("{fingerprint}  {state}")];
            (cells, CredentialOf { org, credential })
        }));
        Ok(())
    }

    pub(super) async fn log(&self, limit: u32) -> Result<(), Failure> {
        let entries = self.registry.audit_log(limit).await?;
        self.printer.table(entries.into_iter().map(|entry| {
            let AuditEntry { at, actor, action, org, subject, detail, .. } = &entry;
            let of_org = org.as_ref().filter(|org| *org != subject);
            let of_org = of_org.map(|org| format!(" of {org}")).unwrap_or_default();
            let more = match (action, detail) {
                (AuditAction::PortalRenamed, Some(old)) => format!(", was {old}"),
                (_, Some(detail)) if !detail.is_empty() => format!(": {detail}"),
                _ => String::new(),
            };
            let subject = format!("{subject}{of_org}{more}");
            ([at.to_string(), actor.clone(), action.to_string(), subject], entry)
        }));
        Ok(())
    }

    async fn org(&self, name: &str) -> Result<OrgId, Failure> {
        let orgs = self.registry.orgs().await?;
        let org = orgs.iter().find(|org| org.name == name).map(|org| org.id);
        org.ok_or_else(|| self.refused(&AdminRefusal::UnknownOrg(name.to_owned())))
    }
}
