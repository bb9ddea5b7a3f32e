//! What an administrator can change, and what the audit log has of it.

use std::collections::{BTreeMap, BTreeSet};

use portal_model::Timestamp;

use super::{By, GrantRow, OrgRow, People, Row, UserRow};
use crate::audit::AuditAction;
use crate::change::{AdminChange, AdminRefusal};
use crate::org::{Org, Permission, User, UserId};
use crate::seed::SeedCredential;

impl People {
    /// Applies a change. A refusal changes nothing.
    pub(crate) fn administer(
        &mut self,
        change: &AdminChange,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), AdminRefusal> {
        let by = By { actor, now };
        match change {
            AdminChange::AddOrg { org, environment, portal_limit } => {
                let id = match self.org_named(org) {
                    None => self.next_org(),
                    Some(row) if row.removed_at.is_none() => {
                        return Err(AdminRefusal::OrgExists(org.clone()));
                    }
                    // A removed org still has its portals, which were created under its environment
                    // and limit, so neither may change.
                    Some(OrgRow { org: removed, .. })
                        if (removed.environment, removed.portal_limit)
                            != (*environment, *portal_limit) =>
                    {
                        return Err(AdminRefusal::RemovedOrgDiffers(org.clone()));
                    }
                    Some(row) => row.org.id,
                };
                let (name, environment, portal_limit) = (org.clone(), *environment, *portal_limit);
                let added = Org { id, name, environment, portal_limit };
                self.put(Row::Org(OrgRow { org: added, removed_at: None }));
                self.record(by.entry(AuditAction::OrgAdded, Some(org), org, None));
            }
            AdminChange::RemoveOrg { org } => {
                let removed = self.present_org(org)?.clone();
                let users = self.users.values().filter(|user| user.org == removed.id);
                let users: BTreeMap<_, _> = users.map(|row| (row.user.id, row.clone())).collect();
                self.end_all(by, |grant| users.contains_key(&grant.user));
                for row in users.into_values().filter(|row| row.removed_at.is_none()) {
                    self.put(Row::User(UserRow { removed_at: Some(by.at()), ..row }));
                }
                self.put(Row::Org(OrgRow { org: removed, removed_at: Some(by.at()) }));
                self.record(by.entry(AuditAction::OrgRemoved, Some(org), org, None));
            }
            AdminChange::AddUser { org, email, name, permissions } => {
                let of_org = self.present_org(org)?.id;
                let id = match self.user_with(of_org, email) {
                    None => self.next_user(),
                    Some(row) if row.removed_at.is_none() => {
                        let (org, email) = (org.clone(), email.clone());
                        return Err(AdminRefusal::UserExists { org, email });
                    }
                    Some(row) => row.user.id,
                };
                let (name, permissions) = (name.clone(), permissions.clone());
                let detail = permissions_text(&permissions);
                let user = User { id, name, email: email.clone(), permissions };
                self.put(Row::User(UserRow { org: of_org, user, removed_at: None }));
                self.record(by.entry(AuditAction::UserAdded, Some(org), email, Some(detail)));
            }
            AdminChange::RemoveUser { org, email } => {
                let row = self.present_user(org, email)?.clone();
                self.expect_another_admin(&row, org)?;
                self.end_all(by, |grant| grant.user == row.user.id);
                self.put(Row::User(UserRow { removed_at: Some(by.at()), ..row }));
                self.record(by.entry(AuditAction::UserRemoved, Some(org), email, None));
            }
            AdminChange::SetPermissions { org, email, permissions } => {
                let mut row = self.present_user(org, email)?.clone();
                if !is_admin(permissions) {
                    self.expect_another_admin(&row, org)?;
                }
                row.user.permissions.clone_from(permissions);
                self.put(Row::User(row));
                let detail = permissions_text(permissions);
                self.record(by.entry(AuditAction::PermissionsSet, Some(org), email, Some(detail)));
            }
            AdminChange::AddCredential { org, email, credential } => {
                let user = self.present_user(org, email)?.user.id;
                self.add_credential(by, org, user, credential)?;
            }
            AdminChange::RotateSecret { client_id, client_secret } => {
                if !self.clients.contains_key(client_id) {
                    return Err(AdminRefusal::UnknownClient(client_id.clone()));
                }
                self.put(Row::client(client_id, client_secret));
                self.record(by.entry(AuditAction::SecretRotated, None, client_id, None));
            }
            AdminChange::RevokeCredential { credential } => {
                let fingerprint = credential.to_ascii_lowercase();
                let ended = self.end_all(by, |grant| {
                    grant.client_id == *credential || grant.hash.fingerprint() == fingerprint
                });
                if ended == 0 {
                    return Err(AdminRefusal::UnknownCredential(credential.clone()));
                }
            }
        }
        Ok(())
    }

    fn add_credential(
        &mut self,
        by: By<'_>,
        org: &str,
        user: UserId,
        credential: &SeedCredential,
    ) -> Result<(), AdminRefusal> {
        let client_id = &credential.client_id;
        if self.clients.contains_key(client_id) {
            return Err(AdminRefusal::ClientExists(client_id.clone()));
        }
        self.put(Row::client(client_id, &credential.client_secret));
        // Not in any seed, so applying a seed must not treat it as missing from there.
        let grant = GrantRow { is_seeded: false, ..GrantRow::new(user, credential, by.now) };
        let scopes = grant.scopes_text();
        if !self.grants.contains_key(&grant.hash) {
            self.put(Row::Grant(grant));
        }
        self.record(by.entry(AuditAction::CredentialAdded, Some(org), client_id, Some(scopes)));
        Ok(())
    }

    /// The org of that name, unless it is removed.
    fn present_org(&self, name: &str) -> Result<&Org, AdminRefusal> {
        match self.org_named(name) {
            Some(OrgRow { org, removed_at: None }) => Ok(org),
            _ => Err(AdminRefusal::UnknownOrg(name.to_owned())),
        }
    }

    fn present_user(&self, org: &str, email: &str) -> Result<&UserRow, AdminRefusal> {
        let user = self.user_with(self.present_org(org)?.id, email);
        user.filter(|row| row.removed_at.is_none()).ok_or_else(|| {
            let (org, email) = (org.to_owned(), email.to_owned());
            AdminRefusal::UnknownUser { org, email }
        })
    }

    /// Refuses if the user is the only one in the org with every permission.
    fn expect_another_admin(&self, row: &UserRow, org: &str) -> Result<(), AdminRefusal> {
        let is_last = is_admin(&row.user.permissions)
            && !self
                .present_users(row.org)
                .any(|other| other.id != row.user.id && is_admin(&other.permissions));
        if is_last {
            let (org, email) = (org.to_owned(), row.user.email.clone());
            return Err(AdminRefusal::LastAdmin { org, email });
        }
        Ok(())
    }

    /// Revokes the refresh tokens and uses up the codes that `condition` selects. Returns their
    /// number.
    pub(super) fn end_all(&mut self, by: By<'_>, condition: impl Fn(&GrantRow) -> bool) -> usize {
        let valid = self.sorted(|grant| grant.ended_at.is_none() && condition(grant));
        let valid: Vec<_> = valid.into_iter().cloned().collect();
        let ended = valid.len();
        for grant in valid {
            self.put(Row::Grant(GrantRow { ended_at: Some(by.at()), ..grant.clone() }));
            self.record_grant(by, AuditAction::CredentialRevoked, &grant);
        }
        ended
    }
}

fn is_admin(permissions: &BTreeSet<Permission>) -> bool {
    Permission::ALL.iter().all(|it| permissions.contains(it))
}

/// The permissions as the audit log has them.
fn permissions_text(permissions: &BTreeSet<Permission>) -> String {
    permissions.iter().map(|it| it.seed_name()).collect::<Vec<_>>().join(",")
}
