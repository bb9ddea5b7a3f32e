//! Applying a seed to a registry that has been seeded before: comparing it with the stored entries,
//! or replacing them.

use rusqlite::{Connection, named_params};

use super::credentials::{revoke, use_up};
use super::seeding::{self, manage_portal, manage_portal_users};
use crate::audit::{AuditAction, SEED};
use crate::seed::comparison::{
    Stored, StoredGrant, StoredOrg, StoredToken, StoredUser, scopes_text,
};
use crate::seed::{
    Seed, SeedCredential, SeedDifferences, SeedGrant, SeedOrg, environment_text,
    portal_limit_number,
};
use crate::token::Hashed;

/// Adds missing entries, unless an existing one differs.
pub(super) fn apply_unless_different(
    connection: &Connection,
    seed: &Seed,
    now: i64,
) -> rusqlite::Result<Result<(), SeedDifferences>> {
    match kept(connection)?.differences(seed) {
        Some(differences) => Ok(Err(differences)),
        None => seeding::apply(connection, seed, now).map(Ok),
    }
}

/// Updates orgs, users and credentials to match the seed, and revokes credentials that are not in
/// it. Portals, revocations and used codes stay.
pub(super) fn replace(connection: &Connection, seed: &Seed, now: i64) -> rusqlite::Result<()> {
    let superfluous = kept(connection)?.superfluous(seed);
    for refresh_token in superfluous.refresh_tokens {
        revoke(connection, refresh_token, Some(SEED), now)?;
    }
    for code in superfluous.codes {
        use_up(connection, code, SEED, now)?;
    }
    seeding::add(connection, seed, now)?;
    for org in &seed.orgs {
        replace_org(connection, org)?;
    }
    seeding::write_audit(connection, AuditAction::SeedReplaced, now)
}

fn kept(connection: &Connection) -> rusqlite::Result<Stored> {
    let mut kept = Stored::default();
    let read = |sql: &str, take: &mut dyn FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<()>| {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            take(row)?;
        }
        Ok::<_, rusqlite::Error>(())
    };
    read("SELECT name, environment, portal_limit, removed_at NOTNULL FROM orgs", &mut |row| {
        let org = StoredOrg {
            environment: row.get(1)?,
            portal_limit: row.get(2)?,
            is_removed: row.get(3)?,
        };
        kept.orgs.insert(row.get(0)?, org);
        Ok(())
    })?;
    read(
        "SELECT orgs.name, email, users.name, manage_portal, manage_portal_users,
                users.removed_at NOTNULL
         FROM users JOIN orgs ON orgs.id = org_id",
        &mut |row| {
            let user = StoredUser {
                name: row.get(2)?,
                permissions: [row.get(3)?, row.get(4)?],
                is_removed: row.get(5)?,
            };
            kept.users.insert((row.get(0)?, row.get(1)?), user);
            Ok(())
        },
    )?;
    read("SELECT id, secret_hash FROM clients", &mut |row| {
        kept.clients.insert(row.get(0)?, Hashed(row.get(1)?));
        Ok(())
    })?;
    read(
        "SELECT client_id, orgs.name, email, scopes, revoked_at NOTNULL, hash, is_seeded
         FROM refresh_tokens
         JOIN users ON users.id = user_id
         JOIN orgs ON orgs.id = org_id
         ORDER BY orgs.id, users.id, client_id",
        &mut |row| {
            kept.refresh_tokens.push(StoredToken {
                hash: Hashed(row.get(5)?),
                grant: stored_grant(row)?,
                is_seeded: row.get(6)?,
                is_revoked: row.get(4)?,
            });
            Ok(())
        },
    )?;
    read(
        "SELECT client_id, orgs.name, email, scopes, used_at NOTNULL, hash
         FROM codes
         JOIN users ON users.id = user_id
         JOIN orgs ON orgs.id = org_id",
        &mut |row| {
            kept.codes.insert(Hashed(row.get(5)?), stored_grant(row)?);
            Ok(())
        },
    )?;
    Ok(kept)
}

fn stored_grant(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredGrant> {
    Ok(StoredGrant {
        client_id: row.get(0)?,
        org: row.get(1)?,
        email: row.get(2)?,
        scopes: row.get(3)?,
        is_used: row.get(4)?,
    })
}

/// Updates an org, its users and their credentials, which all exist.
fn replace_org(connection: &Connection, org: &SeedOrg) -> rusqlite::Result<()> {
    let (org_id, old_limit): (i64, Option<i64>) = connection
        .prepare_cached("SELECT id, portal_limit FROM orgs WHERE name = ?")?
        .query_row([&org.name], |row| row.try_into())?;
    let portal_limit = portal_limit_number(org.portal_limit);
    connection
        .prepare_cached(
            "UPDATE orgs SET environment = ?, portal_limit = ?, removed_at = NULL WHERE id = ?",
        )?
        .execute((environment_text(org.environment), portal_limit, org_id))?;
    if portal_limit != old_limit {
        // When a limit is introduced, the first portal takes the slot even if there are more.
        connection
            .prepare_cached(
                "UPDATE portals SET limit_slot = CASE
                   WHEN id = (SELECT min(id) FROM portals WHERE org_id = :org) THEN :limit END
                 WHERE org_id = :org",
            )?
            .execute(named_params! { ":org": org_id, ":limit": portal_limit })?;
    }
    for user in &org.users {
        let user_id: i64 = connection
            .prepare_cached(
                "UPDATE users SET name = ?, manage_portal = ?, manage_portal_users = ?,
                                  removed_at = NULL
                 WHERE org_id = ? AND email = ? RETURNING id",
            )?
            .query_row(
                (&user.name, manage_portal(user), manage_portal_users(user), org_id, &user.email),
                |row| row.get(0),
            )?;
        for credential in &user.credentials {
            replace_credential(connection, credential, user_id)?;
        }
    }
    Ok(())
}

fn replace_credential(
    connection: &Connection,
    credential: &SeedCredential,
    user_id: i64,
) -> rusqlite::Result<()> {
    let client_id = &credential.client_id;
    connection
        .prepare_cached("UPDATE clients SET secret_hash = ? WHERE id = ?")?
        .execute((Hashed::of(credential.client_secret.expose()).0, client_id))?;
    let scopes = scopes_text(credential);
    let (statement, secret) = match &credential.grant {
        SeedGrant::RefreshToken(token) => (
            "UPDATE refresh_tokens SET client_id = ?, user_id = ?, scopes = ? WHERE hash = ?",
            token,
        ),
        SeedGrant::Code(code) => {
            ("UPDATE codes SET client_id = ?, user_id = ?, scopes = ? WHERE hash = ?", code)
        }
    };
    connection
        .prepare_cached(statement)?
        .execute((client_id, user_id, scopes, Hashed::of(secret.expose()).0))
        .map(drop)
}
