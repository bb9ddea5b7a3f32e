//! [`Administration`] over PostgreSQL: each change is a transaction, one at a time.

use portal_model::Timestamp;
use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;

use super::credentials::{read_scopes, read_user, revoke_all, use_up_all};
use super::failure::Failure;
use super::portals::{get, is_storable};
use super::statements::ORG_ID;
use super::{PostgresRegistry, audit, migrations, seeding};
use crate::admin::{
    AdminChange, AdminRefusal, Administration, Credential, operator_text, permission_columns,
    permissions_text,
};
use crate::audit::{AuditAction, AuditEntry, NewEntry};
use crate::error::RegistryError;
use crate::org::{OrgId, User, UserId};
use crate::seed::comparison::scopes_text;
use crate::seed::{
    Seed, SeedCredential, SeedDifferences, SeedGrant, SeedOrg, SeedUser, environment_text,
    portal_limit_number,
};
use crate::token::Hashed;

impl Administration for PostgresRegistry {
    async fn apply_seed_unless_different(
        &self,
        seed: &Seed,
        now: Timestamp,
    ) -> Result<Result<(), SeedDifferences>, RegistryError> {
        let (seed, now) = (seed.clone(), now.unix_seconds());
        self.change(|inner| async move {
            let mut connected = inner.connect().await?;
            let apply = async {
                let transaction = migrations::begin_alone(&mut connected.client).await?;
                let applied = seeding::apply_unless_different(&transaction, &seed, now).await?;
                transaction.commit().await?;
                Ok(applied)
            };
            apply.await.map_err(|error| Failure::of(&error).into())
        })
        .await
    }

    async fn replace_seed(&self, seed: &Seed, now: Timestamp) -> Result<(), RegistryError> {
        let (seed, now) = (seed.clone(), now.unix_seconds());
        self.change(|inner| async move {
            let mut connected = inner.connect().await?;
            let replace = async {
                let transaction = migrations::begin_alone(&mut connected.client).await?;
                seeding::replace(&transaction, &seed, now).await?;
                transaction.commit().await
            };
            let result = replace.await;
            inner.principals.forget();
            result.map_err(|error| Failure::of(&error).into())
        })
        .await
    }

    async fn administer(
        &self,
        change: &AdminChange,
        operator: &str,
        now: Timestamp,
    ) -> Result<Result<(), AdminRefusal>, RegistryError> {
        let (change, actor) = (change.clone(), operator_text(operator));
        let now = now.unix_seconds();
        self.change(|inner| async move {
            let mut connected = inner.connect().await?;
            let administer = async {
                let transaction = migrations::begin_alone(&mut connected.client).await?;
                let administrator = Administrator { transaction: &transaction, actor: &actor, now };
                let made = administrator.make(&change).await?;
                match made {
                    Ok(()) => transaction.commit().await?,
                    Err(_) => transaction.rollback().await?,
                }
                Ok::<_, tokio_postgres::Error>(made)
            };
            let result = administer.await;
            inner.principals.forget();
            result.map_err(|error| Failure::of(&error).into())
        })
        .await
    }

    async fn users_of(&self, org: &str) -> Result<Option<Vec<User>>, RegistryError> {
        let Some(org) = self.org_id(org).await? else { return Ok(None) };
        let rows =
            self.0.pool.read(|it| &it.users, &[&org]).await.map_err(Failure::into_read_error)?;
        rows.iter().map(|row| read_user(row, 0)).collect::<Result<_, _>>().map(Some)
    }

    async fn credentials_of(&self, org: &str) -> Result<Option<Vec<Credential>>, RegistryError> {
        let Some(org) = self.org_id(org).await? else { return Ok(None) };
        let rows = self.0.pool.read(|it| &it.credentials, &[&org]).await;
        let read = |row| {
            let revoked_at: Option<i64> = get(row, 4)?;
            let hash = <[u8; 32]>::try_from(get::<&[u8]>(row, 2)?).unwrap_or_default();
            Ok(Credential {
                email: get(row, 0)?,
                client_id: get(row, 1)?,
                fingerprint: Hashed(hash).fingerprint(),
                scopes: read_scopes(row, 3)?,
                revoked_at: revoked_at.and_then(Timestamp::from_unix_seconds),
            })
        };
        rows.map_err(Failure::into_read_error)?.iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    async fn audit_log(&self, limit: u32) -> Result<Vec<AuditEntry>, RegistryError> {
        let rows = self.0.pool.read(|it| &it.audit, &[&i64::from(limit)]).await;
        let rows = rows.map_err(Failure::into_read_error)?;
        rows.iter().rev().map(|row| AuditEntry::read(audit::read(row)?)).collect()
    }
}

impl PostgresRegistry {
    async fn org_id(&self, name: &str) -> Result<Option<i64>, RegistryError> {
        if !is_storable(name) {
            return Ok(None);
        }
        let rows =
            self.0.pool.read(|it| &it.org_id, &[&name]).await.map_err(Failure::into_read_error)?;
        rows.first().map(|row| get(row, 0)).transpose()
    }
}

/// The actor and transaction of a change. A refusal is rolled back.
struct Administrator<'a> {
    transaction: &'a Transaction<'a>,
    actor: &'a str,
    now: i64,
}

type Made = Result<Result<(), AdminRefusal>, tokio_postgres::Error>;

impl Administrator<'_> {
    async fn make(&self, change: &AdminChange) -> Made {
        match change {
            AdminChange::AddOrg { org, environment, portal_limit } => {
                let org = SeedOrg {
                    name: org.clone(),
                    environment: *environment,
                    portal_limit: *portal_limit,
                    users: Vec::new(),
                };
                self.add_org(org).await
            }
            AdminChange::RemoveOrg { org } => self.remove_org(org).await,
            AdminChange::AddUser { org, email, name, permissions } => {
                let user = SeedUser {
                    name: name.clone(),
                    email: email.clone(),
                    permissions: permissions.clone(),
                    credentials: Vec::new(),
                };
                self.add_user(org, user).await
            }
            AdminChange::RemoveUser { org, email } => {
                let user = match self.find_user(org, email).await? {
                    Ok(user) => user,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                if self.is_last_admin(user).await? {
                    return Ok(Err(last_admin(org, email)));
                }
                self.end_all("user_id = $1", &user.0).await?;
                let remove = "UPDATE users SET removed_at = $1 WHERE id = $2";
                self.transaction.execute(remove, &[&self.now, &user.0]).await?;
                self.write(AuditAction::UserRemoved, Some(org), email, None).await
            }
            AdminChange::SetPermissions { org, email, permissions } => {
                let user = match self.find_user(org, email).await? {
                    Ok(user) => user,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                if permissions.len() < 2 && self.is_last_admin(user).await? {
                    return Ok(Err(last_admin(org, email)));
                }
                let [create, invite] = permission_columns(permissions);
                let set =
                    "UPDATE users SET manage_portal = $1, manage_portal_users = $2 WHERE id = $3";
                self.transaction.execute(set, &[&create, &invite, &user.0]).await?;
                let detail = permissions_text(permissions);
                self.write(AuditAction::PermissionsSet, Some(org), email, Some(&detail)).await
            }
            AdminChange::AddCredential { org, email, credential } => {
                match self.find_user(org, email).await? {
                    Ok(user) => self.add_credential(org, user, credential).await,
                    Err(refusal) => Ok(Err(refusal)),
                }
            }
            AdminChange::RotateSecret { client_id, client_secret } => {
                let secret = Hashed::of(client_secret.expose()).0;
                let rotate = "UPDATE clients SET secret_hash = $1 WHERE id = $2";
                let rotated =
                    self.transaction.execute(rotate, &[&secret.as_slice(), client_id]).await?;
                if rotated == 0 {
                    return Ok(Err(AdminRefusal::UnknownClient(client_id.clone())));
                }
                self.write(AuditAction::SecretRotated, None, client_id, None).await
            }
            AdminChange::RevokeCredential { credential } => {
                let fingerprint = credential.to_ascii_lowercase();
                let of_client = self.end_all("client_id = $1", credential).await?;
                let of_token =
                    self.end_all("left(encode(hash, 'hex'), 12) = $1", &fingerprint).await?;
                if of_client + of_token == 0 {
                    return Ok(Err(AdminRefusal::UnknownCredential(credential.clone())));
                }
                Ok(Ok(()))
            }
        }
    }

    async fn add_org(&self, org: SeedOrg) -> Made {
        if self.find_org(&org.name).await?.is_some() {
            return Ok(Err(AdminRefusal::OrgExists(org.name)));
        }
        let name = org.name.clone();
        let environment = environment_text(org.environment);
        let portal_limit = portal_limit_number(org.portal_limit);
        self.add(Seed { orgs: vec![org] }).await?;
        // A removed org still has its portals, which were created under its environment and limit,
        // so neither may change.
        let restore = "
            UPDATE orgs SET removed_at = NULL
            WHERE name = $1 AND environment = $2 AND portal_limit IS NOT DISTINCT FROM $3";
        let restored =
            self.transaction.execute(restore, &[&name, &environment, &portal_limit]).await?;
        if restored == 0 {
            return Ok(Err(AdminRefusal::RemovedOrgDiffers(name)));
        }
        self.write(AuditAction::OrgAdded, Some(&name), &name, None).await
    }

    async fn remove_org(&self, name: &str) -> Made {
        let Some(org) = self.find_org(name).await? else {
            return Ok(Err(AdminRefusal::UnknownOrg(name.to_owned())));
        };
        self.end_all("user_id IN (SELECT id FROM users WHERE org_id = $1)", &org.0).await?;
        for remove in [
            "UPDATE users SET removed_at = $1 WHERE org_id = $2 AND removed_at IS NULL",
            "UPDATE orgs SET removed_at = $1 WHERE id = $2",
        ] {
            self.transaction.execute(remove, &[&self.now, &org.0]).await?;
        }
        self.write(AuditAction::OrgRemoved, Some(name), name, None).await
    }

    async fn add_user(&self, org: &str, user: SeedUser) -> Made {
        match self.find_user(org, &user.email).await? {
            Ok(_) => {
                let (org, email) = (org.to_owned(), user.email);
                return Ok(Err(AdminRefusal::UserExists { org, email }));
            }
            Err(AdminRefusal::UnknownUser { .. }) => {}
            Err(refusal) => return Ok(Err(refusal)),
        }
        let (name, email) = (user.name.clone(), user.email.clone());
        let ([create, invite], detail) =
            (permission_columns(&user.permissions), permissions_text(&user.permissions));
        self.add(seed_of(org, vec![user])).await?;
        self.transaction
            .execute(
                "UPDATE users SET name = $3, manage_portal = $4, manage_portal_users = $5,
                                  removed_at = NULL
                 WHERE org_id = (SELECT id FROM orgs WHERE name = $1) AND email = $2",
                &[&org, &email, &name, &create, &invite],
            )
            .await?;
        self.write(AuditAction::UserAdded, Some(org), &email, Some(&detail)).await
    }

    async fn add_credential(&self, org: &str, user: UserId, credential: &SeedCredential) -> Made {
        let client_id = &credential.client_id;
        let secret = Hashed::of(credential.client_secret.expose()).0;
        let scopes = scopes_text(credential);
        let client = "INSERT INTO clients VALUES ($1, $2) ON CONFLICT DO NOTHING";
        if self.transaction.execute(client, &[client_id, &secret.as_slice()]).await? == 0 {
            return Ok(Err(AdminRefusal::ClientExists(client_id.clone())));
        }
        // Not in any seed, so applying a seed must not treat it as missing from there.
        let (statement, secret, most) = match &credential.grant {
            SeedGrant::RefreshToken(token) => (
                "INSERT INTO refresh_tokens (hash, client_id, user_id, scopes)
                 VALUES ($1, $2, $3, $4)",
                token,
                4,
            ),
            SeedGrant::Code(code) => (
                "INSERT INTO codes (hash, client_id, user_id, scopes, created_at)
                 VALUES ($1, $2, $3, $4, $5)",
                code,
                5,
            ),
        };
        let hash = Hashed::of(secret.expose()).0;
        let columns: [&(dyn ToSql + Sync); 5] =
            [&hash.as_slice(), client_id, &user.0, &scopes, &self.now];
        self.transaction.execute(statement, columns.get(..most).unwrap_or(&columns)).await?;
        self.write(AuditAction::CredentialAdded, Some(org), client_id, Some(&scopes)).await
    }

    async fn add(&self, seed: Seed) -> Result<u64, tokio_postgres::Error> {
        seeding::add(self.transaction, &seeding::Columns::of(&seed), self.now).await
    }

    async fn find_org(&self, name: &str) -> Result<Option<OrgId>, tokio_postgres::Error> {
        let row = self.transaction.query_opt(ORG_ID, &[&name]).await?;
        row.map(|row| row.try_get(0).map(OrgId)).transpose()
    }

    /// Finds a user of an org; neither may be removed.
    async fn find_user(
        &self,
        org: &str,
        email: &str,
    ) -> Result<Result<UserId, AdminRefusal>, tokio_postgres::Error> {
        let Some(org_id) = self.find_org(org).await? else {
            return Ok(Err(AdminRefusal::UnknownOrg(org.to_owned())));
        };
        let user = "SELECT id FROM users WHERE org_id = $1 AND email = $2 AND removed_at IS NULL";
        let Some(row) = self.transaction.query_opt(user, &[&org_id.0, &email]).await? else {
            let (org, email) = (org.to_owned(), email.to_owned());
            return Ok(Err(AdminRefusal::UnknownUser { org, email }));
        };
        Ok(Ok(UserId(row.try_get(0)?)))
    }

    /// Whether the user has every permission and is the only one in the org.
    async fn is_last_admin(&self, user: UserId) -> Result<bool, tokio_postgres::Error> {
        let only = "
            SELECT FROM users AS admin
            WHERE id = $1 AND manage_portal AND manage_portal_users AND NOT EXISTS
                  (SELECT FROM users AS other
                   WHERE other.org_id = admin.org_id AND other.id <> admin.id
                         AND manage_portal AND manage_portal_users AND removed_at IS NULL)";
        Ok(self.transaction.query_opt(only, &[&user.0]).await?.is_some())
    }

    /// Uses up the codes and revokes the refresh tokens that match `condition`. Returns their
    /// number.
    async fn end_all(
        &self,
        condition: &str,
        value: &(dyn ToSql + Sync),
    ) -> Result<u64, tokio_postgres::Error> {
        let hashes = async |table: &str, unused: &str| {
            let select = format!("SELECT hash FROM {table} WHERE {unused} IS NULL AND {condition}");
            let rows = self.transaction.query(&select, &[value]).await?;
            rows.iter().map(|row| seeding::hashed(row, 0)).collect::<Result<Vec<_>, _>>()
        };
        // Codes first: this waits for an exchange in progress, which may add a refresh token.
        let codes = hashes("codes", "used_at").await?;
        let used = use_up_all(self.transaction, &codes, self.actor, self.now).await?;
        let tokens = hashes("refresh_tokens", "revoked_at").await?;
        Ok(used + revoke_all(self.transaction, &tokens, self.actor, self.now).await?)
    }

    async fn write(
        &self,
        action: AuditAction,
        org: Option<&str>,
        subject: &str,
        detail: Option<&str>,
    ) -> Made {
        let Self { transaction, actor, now: at } = *self;
        let entry = NewEntry { at, actor, action, org, subject, detail };
        audit::write(transaction, &entry).await.map(Ok)
    }
}

/// A seed with one org; if the org exists, only the users are used.
fn seed_of(org: &str, users: Vec<SeedUser>) -> Seed {
    let (environment, portal_limit) = Default::default();
    Seed { orgs: vec![SeedOrg { name: org.to_owned(), environment, portal_limit, users }] }
}

fn last_admin(org: &str, email: &str) -> AdminRefusal {
    AdminRefusal::LastAdmin { org: org.to_owned(), email: email.to_owned() }
}
