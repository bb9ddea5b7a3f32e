//! [`Administration`] over SQLite: each change is one unit of work for the writer.

use portal_model::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::credentials::{read_scopes, read_user, revoke, use_up};
use super::{SqliteRegistry, audit, reseeding, seeding};
use crate::admin::{AdminChange, AdminRefusal, Administration, Credential, operator_text};
use crate::audit::{AuditAction, AuditEntry, NewEntry};
use crate::error::RegistryError;
use crate::org::{OrgId, User, UserId};
use crate::seed::comparison::scopes_text;
use crate::seed::{
    Seed, SeedCredential, SeedDifferences, SeedOrg, SeedUser, environment_text, portal_limit_number,
};
use crate::token::Hashed;

impl Administration for SqliteRegistry {
    async fn apply_seed_unless_different(
        &self,
        seed: &Seed,
        now: Timestamp,
    ) -> Result<Result<(), SeedDifferences>, RegistryError> {
        let (seed, now) = (seed.clone(), now.unix_seconds());
        let work = move |connection: &_| reseeding::apply_unless_different(connection, &seed, now);
        self.0.writer.commit(work).await
    }

    async fn replace_seed(&self, seed: &Seed, now: Timestamp) -> Result<(), RegistryError> {
        let (seed, now) = (seed.clone(), now.unix_seconds());
        let work = move |connection: &_| reseeding::replace(connection, &seed, now);
        let result = self.0.writer.commit(work).await;
        self.0.principals.forget();
        result
    }

    async fn administer(
        &self,
        change: &AdminChange,
        operator: &str,
        now: Timestamp,
    ) -> Result<Result<(), AdminRefusal>, RegistryError> {
        let (change, actor) = (change.clone(), operator_text(operator));
        let now = now.unix_seconds();
        let work =
            move |connection: &_| Administrator { connection, actor: &actor, now }.make(&change);
        let result = self.0.writer.commit(work).await;
        self.0.principals.forget();
        result
    }

    async fn users_of(&self, org: &str) -> Result<Option<Vec<User>>, RegistryError> {
        let org = org.to_owned();
        let work = move |connection: &Connection| {
            let Some(org) = find_org(connection, &org)? else { return Ok(None) };
            connection
                .prepare_cached(
                    "SELECT id, name, email, manage_portal, manage_portal_users FROM users
                     WHERE org_id = ? AND removed_at IS NULL ORDER BY id",
                )?
                .query_map([org.0], |row| read_user(row, 0))?
                .collect::<rusqlite::Result<_>>()
                .map(Some)
        };
        self.0.readers.read(work).await
    }

    async fn credentials_of(&self, org: &str) -> Result<Option<Vec<Credential>>, RegistryError> {
        let org = org.to_owned();
        let work = move |connection: &Connection| {
            let Some(org) = find_org(connection, &org)? else { return Ok(None) };
            connection
                .prepare_cached(
                    "SELECT email, client_id, hash, scopes, revoked_at
                     FROM refresh_tokens JOIN users ON users.id = user_id
                     WHERE org_id = ? ORDER BY users.id, client_id, hash",
                )?
                .query_map([org.0], |row| {
                    let revoked_at: Option<i64> = row.get(4)?;
                    Ok(Credential {
                        email: row.get(0)?,
                        client_id: row.get(1)?,
                        fingerprint: Hashed(row.get(2)?).fingerprint(),
                        scopes: read_scopes(row, 3)?,
                        revoked_at: revoked_at.and_then(Timestamp::from_unix_seconds),
                    })
                })?
                .collect::<rusqlite::Result<_>>()
                .map(Some)
        };
        self.0.readers.read(work).await
    }

    async fn audit_log(&self, limit: u32) -> Result<Vec<AuditEntry>, RegistryError> {
        let rows = self.0.readers.read(move |connection| audit::last(connection, limit)).await?;
        rows.into_iter().rev().map(AuditEntry::read).collect()
    }
}

fn find_org(connection: &Connection, name: &str) -> rusqlite::Result<Option<OrgId>> {
    connection
        .prepare_cached("SELECT id FROM orgs WHERE name = ? AND removed_at IS NULL")?
        .query_row([name], |row| row.get(0).map(OrgId))
        .optional()
}

/// The actor, registry and time of a change. A refusal changes nothing.
struct Administrator<'a> {
    connection: &'a Connection,
    actor: &'a str,
    now: i64,
}

type Made = rusqlite::Result<Result<(), AdminRefusal>>;

impl Administrator<'_> {
    fn make(&self, change: &AdminChange) -> Made {
        match change {
            AdminChange::AddOrg { org, environment, portal_limit } => self.add_org(&SeedOrg {
                name: org.clone(),
                environment: *environment,
                portal_limit: *portal_limit,
                users: Vec::new(),
            }),
            AdminChange::RemoveOrg { org } => self.remove_org(org),
            AdminChange::AddUser { org, email, name, permissions } => {
                let user = SeedUser {
                    name: name.clone(),
                    email: email.clone(),
                    permissions: permissions.clone(),
                    credentials: Vec::new(),
                };
                self.add_user(org, &user)
            }
            AdminChange::RemoveUser { org, email } => self.with_user(org, email, |user| {
                if self.is_last_admin(user)? {
                    return Ok(Err(last_admin(org, email)));
                }
                self.revoke_all("user_id = ?", user.0)?;
                self.execute("UPDATE users SET removed_at = ? WHERE id = ?", (self.now, user.0))?;
                self.write(AuditAction::UserRemoved, Some(org), email, None)
            }),
            AdminChange::SetPermissions { org, email, permissions } => {
                self.with_user(org, email, |user| {
                    if permissions.len() < 2 && self.is_last_admin(user)? {
                        return Ok(Err(last_admin(org, email)));
                    }
                    let allowed = crate::admin::permission_columns(permissions);
                    self.execute(
                        "UPDATE users SET manage_portal = ?, manage_portal_users = ? WHERE id = ?",
                        (allowed[0], allowed[1], user.0),
                    )?;
                    let detail = crate::admin::permissions_text(permissions);
                    self.write(AuditAction::PermissionsSet, Some(org), email, Some(&detail))
                })
            }
            AdminChange::AddCredential { org, email, credential } => {
                self.with_user(org, email, |user| self.add_credential(org, user, credential))
            }
            AdminChange::RotateSecret { client_id, client_secret } => {
                let rotated = self.execute(
                    "UPDATE clients SET secret_hash = ? WHERE id = ?",
                    (Hashed::of(client_secret.expose()).0, client_id),
                )?;
                if rotated == 0 {
                    return Ok(Err(AdminRefusal::UnknownClient(client_id.clone())));
                }
                self.write(AuditAction::SecretRotated, None, client_id, None)
            }
            AdminChange::RevokeCredential { credential } => {
                let of_client = self.revoke_all("client_id = ?", credential)?;
                let fingerprint = credential.to_ascii_lowercase();
                let of_token =
                    self.revoke_all("substr(lower(hex(hash)), 1, 12) = ?", &fingerprint)?;
                if of_client + of_token == 0 {
                    return Ok(Err(AdminRefusal::UnknownCredential(credential.clone())));
                }
                Ok(Ok(()))
            }
        }
    }

    fn add_org(&self, org: &SeedOrg) -> Made {
        if find_org(self.connection, &org.name)?.is_some() {
            return Ok(Err(AdminRefusal::OrgExists(org.name.clone())));
        }
        let id = seeding::add_org(self.connection, org)?;
        // A removed org still has its portals, which were created under its environment and limit,
        // so neither may change.
        let restored = self.execute(
            "UPDATE orgs SET removed_at = NULL
             WHERE id = ? AND environment = ? AND portal_limit IS ?",
            (id.0, environment_text(org.environment), portal_limit_number(org.portal_limit)),
        )?;
        if restored == 0 {
            return Ok(Err(AdminRefusal::RemovedOrgDiffers(org.name.clone())));
        }
        self.write(AuditAction::OrgAdded, Some(&org.name), &org.name, None)
    }

    fn remove_org(&self, name: &str) -> Made {
        let Some(org) = find_org(self.connection, name)? else {
            return Ok(Err(AdminRefusal::UnknownOrg(name.to_owned())));
        };
        self.revoke_all("user_id IN (SELECT id FROM users WHERE org_id = ?)", org.0)?;
        self.execute(
            "UPDATE users SET removed_at = ? WHERE org_id = ? AND removed_at IS NULL",
            (self.now, org.0),
        )?;
        self.execute("UPDATE orgs SET removed_at = ? WHERE id = ?", (self.now, org.0))?;
        self.write(AuditAction::OrgRemoved, Some(name), name, None)
    }

    fn add_user(&self, org: &str, user: &SeedUser) -> Made {
        let Some(org_id) = find_org(self.connection, org)? else {
            return Ok(Err(AdminRefusal::UnknownOrg(org.to_owned())));
        };
        if self.find_user(org_id, &user.email)?.is_some() {
            let (org, email) = (org.to_owned(), user.email.clone());
            return Ok(Err(AdminRefusal::UserExists { org, email }));
        }
        let id = seeding::add_user(self.connection, org_id, user)?;
        let allowed = crate::admin::permission_columns(&user.permissions);
        self.execute(
            "UPDATE users SET name = ?, manage_portal = ?, manage_portal_users = ?,
                              removed_at = NULL
             WHERE id = ?",
            (&user.name, allowed[0], allowed[1], id.0),
        )?;
        let detail = crate::admin::permissions_text(&user.permissions);
        self.write(AuditAction::UserAdded, Some(org), &user.email, Some(&detail))
    }

    fn add_credential(&self, org: &str, user: UserId, credential: &SeedCredential) -> Made {
        let client_id = &credential.client_id;
        let exists = self
            .connection
            .prepare_cached("SELECT 1 FROM clients WHERE id = ?")?
            .exists([client_id])?;
        if exists {
            return Ok(Err(AdminRefusal::ClientExists(client_id.clone())));
        }
        seeding::add_credential(self.connection, user, credential, self.now)?;
        // Not in any seed, so applying a seed must not treat it as missing from there.
        self.execute("UPDATE refresh_tokens SET is_seeded = 0 WHERE client_id = ?", [client_id])?;
        let scopes = scopes_text(credential);
        self.write(AuditAction::CredentialAdded, Some(org), client_id, Some(&scopes))
    }

    fn with_user(&self, org: &str, email: &str, change: impl FnOnce(UserId) -> Made) -> Made {
        let Some(org_id) = find_org(self.connection, org)? else {
            return Ok(Err(AdminRefusal::UnknownOrg(org.to_owned())));
        };
        let Some(user) = self.find_user(org_id, email)? else {
            let (org, email) = (org.to_owned(), email.to_owned());
            return Ok(Err(AdminRefusal::UnknownUser { org, email }));
        };
        change(user)
    }

    fn find_user(&self, org: OrgId, email: &str) -> rusqlite::Result<Option<UserId>> {
        self.connection
            .prepare_cached(
                "SELECT id FROM users WHERE org_id = ? AND email = ? AND removed_at IS NULL",
            )?
            .query_row((org.0, email), |row| row.get(0).map(UserId))
            .optional()
    }

    /// Whether the user has every permission and is the only one in the org.
    fn is_last_admin(&self, user: UserId) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached(
                "SELECT 1 FROM users AS admin
                 WHERE id = ? AND manage_portal AND manage_portal_users AND NOT EXISTS
                       (SELECT 1 FROM users AS other
                        WHERE other.org_id = admin.org_id AND other.id <> admin.id
                              AND manage_portal AND manage_portal_users AND removed_at IS NULL)",
            )?
            .exists([user.0])
    }

    /// Revokes the refresh tokens and uses up the codes that match `condition`. Returns their
    /// number.
    fn revoke_all(&self, condition: &str, value: impl rusqlite::ToSql) -> rusqlite::Result<usize> {
        let hashes = |table: &str, unused: &str| -> rusqlite::Result<Vec<Hashed>> {
            self.connection
                .prepare(&format!(
                    "SELECT hash FROM {table} WHERE {unused} IS NULL AND {condition}"
                ))?
                .query_map([&value], |row| row.get(0).map(Hashed))?
                .collect()
        };
        let codes = hashes("codes", "used_at")?;
        let tokens = hashes("refresh_tokens", "revoked_at")?;
        for code in &codes {
            use_up(self.connection, *code, self.actor, self.now)?;
        }
        for token in &tokens {
            revoke(self.connection, *token, Some(self.actor), self.now)?;
        }
        Ok(codes.len() + tokens.len())
    }

    fn execute(&self, sql: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(sql)?.execute(parameters)
    }

    fn write(
        &self,
        action: AuditAction,
        org: Option<&str>,
        subject: &str,
        detail: Option<&str>,
    ) -> Made {
        let Self { connection, actor, now: at } = *self;
        audit::write(connection, &NewEntry { at, actor, action, org, subject, detail }).map(Ok)
    }
}

fn last_admin(org: &str, email: &str) -> AdminRefusal {
    AdminRefusal::LastAdmin { org: org.to_owned(), email: email.to_owned() }
}
