//! Applying a seed in a dedicated transaction: adding missing entries, comparing, or replacing the
//! stored ones. Seeds are applied one at a time, so that orgs and users get consecutive numbers.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Transaction};

use super::audit;
use super::credentials::{revoke_all, use_up_all};
use crate::audit::{AuditAction, NewEntry, SEED};
use crate::org::{OrgId, Permission, UserId};
use crate::seed::comparison::{
    Stored, StoredGrant, StoredOrg, StoredToken, StoredUser, scopes_text,
};
use crate::seed::{Seed, SeedDifferences, SeedGrant, environment_text, portal_limit_number};
use crate::token::Hashed;

/// Adds missing entries, and one audit entry if there were any. The unique indexes decide what
/// exists.
pub(super) async fn apply(
    transaction: &Transaction<'_>,
    seed: &Seed,
    now: i64,
) -> Result<(), tokio_postgres::Error> {
    if add(transaction, &Columns::of(seed), now).await? > 0 {
        write_audit(transaction, AuditAction::SeedApplied, now).await?;
    }
    Ok(())
}

async fn write_audit(
    transaction: &Transaction<'_>,
    action: AuditAction,
    now: i64,
) -> Result<(), tokio_postgres::Error> {
    let entry = NewEntry { at: now, actor: SEED, action, org: None, subject: SEED, detail: None };
    audit::write(transaction, &entry).await
}

/// Returns the number of rows added.
pub(super) async fn add(
    transaction: &Transaction<'_>,
    seed: &Columns<'_>,
    now: i64,
) -> Result<u64, tokio_postgres::Error> {
    let mut added = 0;
    added += transaction
        .execute(
            "INSERT INTO orgs (id, name, environment, portal_limit)
             SELECT (SELECT coalesce(max(id), $1) FROM orgs) + row_number() OVER (ORDER BY place),
                    name, environment, portal_limit
             FROM unnest($2::text[], $3::text[], $4::bigint[]) WITH ORDINALITY
                  AS new (name, environment, portal_limit, place)
             WHERE NOT EXISTS (SELECT FROM orgs WHERE orgs.name = new.name)
             ON CONFLICT (name) DO NOTHING",
            &[&(OrgId::FIRST.0 - 1), &seed.orgs.name, &seed.orgs.environment, &seed.orgs.limit],
        )
        .await?;
    added += transaction
        .execute(
            "INSERT INTO users (id, org_id, name, email, manage_portal, manage_portal_users)
             SELECT (SELECT coalesce(max(id), $1) FROM users) + row_number() OVER (ORDER BY place),
                    orgs.id, new.name, email, manage_portal, manage_portal_users
             FROM unnest($2::text[], $3::text[], $4::text[], $5::boolean[], $6::boolean[])
                  WITH ORDINALITY
                  AS new (org, name, email, manage_portal, manage_portal_users, place)
             JOIN orgs ON orgs.name = org
             WHERE NOT EXISTS
                   (SELECT FROM users WHERE org_id = orgs.id AND users.email = new.email)
             ON CONFLICT (org_id, email) DO NOTHING",
            &[
                &(UserId::FIRST.0 - 1),
                &seed.users.org,
                &seed.users.name,
                &seed.users.email,
                &seed.users.may_create,
                &seed.users.may_invite,
            ],
        )
        .await?;
    added += transaction
        .execute(
            "INSERT INTO clients (id, secret_hash)
             SELECT * FROM unnest($1::text[], $2::bytea[])
             ON CONFLICT (id) DO NOTHING",
            &[&seed.clients.id, &seed.clients.secret_hash],
        )
        .await?;
    let tokens = &seed.refresh_tokens;
    added += transaction
        .execute(
            "INSERT INTO refresh_tokens (hash, client_id, user_id, scopes, is_seeded)
             SELECT DISTINCT ON (hash) hash, client, users.id, scopes, true
             FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[])
                  WITH ORDINALITY AS new (hash, client, org, user_email, scopes, place)
             JOIN orgs ON orgs.name = org
             JOIN users ON org_id = orgs.id AND email = user_email
             ORDER BY hash, place
             ON CONFLICT (hash) DO UPDATE SET is_seeded = true
             WHERE NOT refresh_tokens.is_seeded",
            &[&tokens.hash, &tokens.client, &tokens.org, &tokens.email, &tokens.scopes],
        )
        .await?;
    let codes = &seed.codes;
    added += transaction
        .execute(
            "INSERT INTO codes (hash, client_id, user_id, scopes, created_at)
             SELECT hash, client, users.id, scopes, $6
             FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[])
                  AS new (hash, client, org, user_email, scopes)
             JOIN orgs ON orgs.name = org
             JOIN users ON org_id = orgs.id AND email = user_email
             ON CONFLICT (hash) DO NOTHING",
            &[&codes.hash, &codes.client, &codes.org, &codes.email, &codes.scopes, &now],
        )
        .await?;
    Ok(added)
}

/// Adds missing entries, unless an existing one differs.
pub(super) async fn apply_unless_different(
    transaction: &Transaction<'_>,
    seed: &Seed,
    now: i64,
) -> Result<Result<(), SeedDifferences>, tokio_postgres::Error> {
    match kept(transaction).await?.differences(seed) {
        Some(differences) => Ok(Err(differences)),
        None => apply(transaction, seed, now).await.map(Ok),
    }
}

/// Updates orgs, users and credentials to match the seed, and revokes credentials that are not in
/// it. Portals, revocations and used codes stay.
pub(super) async fn replace(
    transaction: &Transaction<'_>,
    seed: &Seed,
    now: i64,
) -> Result<(), tokio_postgres::Error> {
    // Waits for creates in progress, which have read the old limit; later ones wait here and read
    // the new limit.
    transaction.batch_execute("LOCK TABLE portals IN SHARE ROW EXCLUSIVE MODE").await?;
    // Codes before refresh tokens: an exchange in progress adds a refresh token.
    let superfluous = kept(transaction).await?.superfluous(seed);
    use_up_all(transaction, &superfluous.codes, SEED, now).await?;
    let superfluous = kept(transaction).await?.superfluous(seed);
    revoke_all(transaction, &superfluous.refresh_tokens, SEED, now).await?;
    let columns = Columns::of(seed);
    add(transaction, &columns, now).await?;
    update(transaction, &columns).await?;
    write_audit(transaction, AuditAction::SeedReplaced, now).await
}

/// Updates orgs, users and credentials, which all exist.
async fn update(
    transaction: &Transaction<'_>,
    seed: &Columns<'_>,
) -> Result<(), tokio_postgres::Error> {
    // When a limit is introduced, the first portal takes the slot even if there are more.
    transaction
        .execute(
            "UPDATE portals
             SET limit_slot = CASE
                 WHEN portals.id = (SELECT min(id) FROM portals AS first WHERE first.org_id = orgs.id)
                 THEN new.portal_limit END
             FROM unnest($1::text[], $2::bigint[]) AS new (name, portal_limit)
             JOIN orgs ON orgs.name = new.name
             WHERE portals.org_id = orgs.id
                   AND orgs.portal_limit IS DISTINCT FROM new.portal_limit",
            &[&seed.orgs.name, &seed.orgs.limit],
        )
        .await?;
    transaction
        .execute(
            "UPDATE orgs SET environment = new.environment, portal_limit = new.portal_limit,
                             removed_at = NULL
             FROM unnest($1::text[], $2::text[], $3::bigint[])
                  AS new (name, environment, portal_limit)
             WHERE orgs.name = new.name",
            &[&seed.orgs.name, &seed.orgs.environment, &seed.orgs.limit],
        )
        .await?;
    let users = &seed.users;
    transaction
        .execute(
            "UPDATE users SET name = new.name, manage_portal = new.manage_portal,
                              manage_portal_users = new.manage_portal_users, removed_at = NULL
             FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::boolean[])
                  AS new (org, name, email, manage_portal, manage_portal_users)
             JOIN orgs ON orgs.name = new.org
             WHERE users.org_id = orgs.id AND users.email = new.email",
            &[&users.org, &users.name, &users.email, &users.may_create, &users.may_invite],
        )
        .await?;
    transaction
        .execute(
            "UPDATE clients SET secret_hash = new.secret_hash
             FROM unnest($1::text[], $2::bytea[]) AS new (id, secret_hash)
             WHERE clients.id = new.id",
            &[&seed.clients.id, &seed.clients.secret_hash],
        )
        .await?;
    for (table, grants) in [("refresh_tokens", &seed.refresh_tokens), ("codes", &seed.codes)] {
        let statement = format!(
            "UPDATE {table} SET client_id = client, user_id = users.id, scopes = new.scopes
             FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[])
                  AS new (hash, client, org, user_email, scopes)
             JOIN orgs ON orgs.name = org
             JOIN users ON org_id = orgs.id AND email = user_email
             WHERE {table}.hash = new.hash"
        );
        let columns: [&(dyn ToSql + Sync); 5] =
            [&grants.hash, &grants.client, &grants.org, &grants.email, &grants.scopes];
        transaction.execute(&statement, &columns).await?;
    }
    Ok(())
}

async fn kept(transaction: &Transaction<'_>) -> Result<Stored, tokio_postgres::Error> {
    let mut kept = Stored::default();
    let query = async |sql: &str| transaction.query(sql, &[]).await;
    let orgs = "SELECT name, environment, portal_limit, removed_at IS NOT NULL FROM orgs";
    for row in query(orgs).await? {
        let org = StoredOrg {
            environment: row.try_get(1)?,
            portal_limit: row.try_get(2)?,
            is_removed: row.try_get(3)?,
        };
        kept.orgs.insert(row.try_get(0)?, org);
    }
    let users = "
        SELECT orgs.name, email, users.name, manage_portal, manage_portal_users,
               users.removed_at IS NOT NULL
        FROM users JOIN orgs ON orgs.id = org_id";
    for row in query(users).await? {
        let user = StoredUser {
            name: row.try_get(2)?,
            permissions: [row.try_get(3)?, row.try_get(4)?],
            is_removed: row.try_get(5)?,
        };
        kept.users.insert((row.try_get(0)?, row.try_get(1)?), user);
    }
    for row in query("SELECT id, secret_hash FROM clients").await? {
        kept.clients.insert(row.try_get(0)?, hashed(&row, 1)?);
    }
    let tokens = "
        SELECT client_id, orgs.name, email, scopes, revoked_at IS NOT NULL, hash, is_seeded
        FROM refresh_tokens
        JOIN users ON users.id = user_id
        JOIN orgs ON orgs.id = org_id
        ORDER BY orgs.id, users.id, client_id";
    for row in query(tokens).await? {
        kept.refresh_tokens.push(StoredToken {
            hash: hashed(&row, 5)?,
            grant: stored_grant(&row)?,
            is_seeded: row.try_get(6)?,
            is_revoked: row.try_get(4)?,
        });
    }
    let codes = "
        SELECT client_id, orgs.name, email, scopes, used_at IS NOT NULL, hash
        FROM codes
        JOIN users ON users.id = user_id
        JOIN orgs ON orgs.id = org_id";
    for row in query(codes).await? {
        kept.codes.insert(hashed(&row, 5)?, stored_grant(&row)?);
    }
    Ok(kept)
}

fn stored_grant(row: &Row) -> Result<StoredGrant, tokio_postgres::Error> {
    Ok(StoredGrant {
        client_id: row.try_get(0)?,
        org: row.try_get(1)?,
        email: row.try_get(2)?,
        scopes: row.try_get(3)?,
        is_used: row.try_get(4)?,
    })
}

/// Reads a hash. One that is not 32 bytes long matches nothing.
pub(super) fn hashed(row: &Row, column: usize) -> Result<Hashed, tokio_postgres::Error> {
    Ok(Hashed(row.try_get::<_, &[u8]>(column)?.try_into().unwrap_or_default()))
}

/// A seed in columns, so that each table takes a single statement.
#[derive(Default)]
pub(super) struct Columns<'a> {
    orgs: Orgs<'a>,
    users: Users<'a>,
    clients: Clients<'a>,
    refresh_tokens: Grants<'a>,
    codes: Grants<'a>,
}

#[derive(Default)]
struct Orgs<'a> {
    name: Vec<&'a str>,
    environment: Vec<&'static str>,
    limit: Vec<Option<i64>>,
}

#[derive(Default)]
struct Users<'a> {
    org: Vec<&'a str>,
    name: Vec<&'a str>,
    email: Vec<&'a str>,
    may_create: Vec<bool>,
    may_invite: Vec<bool>,
}

#[derive(Default)]
struct Clients<'a> {
    id: Vec<&'a str>,
    secret_hash: Vec<Vec<u8>>,
}

/// The refresh tokens or codes of a seed, in columns.
#[derive(Default)]
struct Grants<'a> {
    hash: Vec<Vec<u8>>,
    client: Vec<&'a str>,
    org: Vec<&'a str>,
    email: Vec<&'a str>,
    scopes: Vec<String>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(seed: &'a Seed) -> Self {
        let hash = |secret: &str| Hashed::of(secret).0.to_vec();
        let mut columns = Self::default();
        for org in &seed.orgs {
            columns.orgs.name.push(&org.name);
            columns.orgs.environment.push(environment_text(org.environment));
            columns.orgs.limit.push(portal_limit_number(org.portal_limit));
            for user in &org.users {
                let users = &mut columns.users;
                users.org.push(&org.name);
                users.name.push(&user.name);
                users.email.push(&user.email);
                let may = |permission| user.permissions.contains(&permission);
                users.may_create.push(may(Permission::ManagePortal));
                users.may_invite.push(may(Permission::ManagePortalUsers));
                for credential in &user.credentials {
                    columns.clients.id.push(&credential.client_id);
                    columns.clients.secret_hash.push(hash(credential.client_secret.expose()));
                    let (grants, secret) = match &credential.grant {
                        SeedGrant::RefreshToken(token) => (&mut columns.refresh_tokens, token),
                        SeedGrant::Code(code) => (&mut columns.codes, code),
                    };
                    grants.hash.push(hash(secret.expose()));
                    grants.client.push(&credential.client_id);
                    grants.org.push(&org.name);
                    grants.email.push(&user.email);
                    grants.scopes.push(scopes_text(credential));
                }
            }
        }
        columns
    }
}
