//! SQL statements that apply a seed: each adds missing rows and leaves existing ones unchanged.

use rusqlite::{Connection, named_params};

use super::audit;
use crate::audit::{AuditAction, NewEntry, SEED};
use crate::org::{OrgId, Permission, UserId};
use crate::seed::comparison::scopes_text;
use crate::seed::{
    Seed, SeedCredential, SeedGrant, SeedOrg, SeedUser, environment_text, portal_limit_number,
};
use crate::token::Hashed;

/// Adds missing entries, and one audit entry if there were any.
pub(super) fn apply(connection: &Connection, seed: &Seed, now: i64) -> rusqlite::Result<()> {
    let before = connection.total_changes();
    add(connection, seed, now)?;
    if connection.total_changes() != before {
        write_audit(connection, AuditAction::SeedApplied, now)?;
    }
    Ok(())
}

pub(super) fn write_audit(
    connection: &Connection,
    action: AuditAction,
    now: i64,
) -> rusqlite::Result<()> {
    let entry = NewEntry { at: now, actor: SEED, action, org: None, subject: SEED, detail: None };
    audit::write(connection, &entry)
}

pub(super) fn add(connection: &Connection, seed: &Seed, now: i64) -> rusqlite::Result<()> {
    for org in &seed.orgs {
        let org_id = add_org(connection, org)?;
        for user in &org.users {
            let user_id = add_user(connection, org_id, user)?;
            for credential in &user.credentials {
                add_credential(connection, user_id, credential, now)?;
            }
        }
    }
    Ok(())
}

pub(super) fn add_org(connection: &Connection, org: &SeedOrg) -> rusqlite::Result<OrgId> {
    connection
        .prepare_cached(
            "INSERT INTO orgs (id, name, environment, portal_limit)
             SELECT coalesce(max(id) + 1, :first), :name, :environment, :portal_limit FROM orgs
             WHERE true
             ON CONFLICT DO NOTHING",
        )?
        .execute(named_params! {
            ":first": OrgId::FIRST.0, ":name": org.name,
            ":environment": environment_text(org.environment),
            ":portal_limit": portal_limit_number(org.portal_limit),
        })?;
    connection
        .prepare_cached("SELECT id FROM orgs WHERE name = ?")?
        .query_row([&org.name], |row| row.get(0).map(OrgId))
}

pub(super) fn add_user(
    connection: &Connection,
    org: OrgId,
    user: &SeedUser,
) -> rusqlite::Result<UserId> {
    connection
        .prepare_cached(
            "INSERT INTO users (id, org_id, name, email, manage_portal, manage_portal_users)
             SELECT coalesce(max(id) + 1, :first), :org, :name, :email, :manage_portal,
                    :manage_portal_users
             FROM users WHERE true
             ON CONFLICT DO NOTHING",
        )?
        .execute(named_params! {
            ":first": UserId::FIRST.0, ":org": org.0, ":name": user.name, ":email": user.email,
            ":manage_portal": manage_portal(user), ":manage_portal_users": manage_portal_users(user),
        })?;
    connection
        .prepare_cached("SELECT id FROM users WHERE org_id = ? AND email = ?")?
        .query_row((org.0, &user.email), |row| row.get(0).map(UserId))
}

pub(super) fn add_credential(
    connection: &Connection,
    user: UserId,
    credential: &SeedCredential,
    now: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO clients (id, secret_hash) VALUES (?, ?) ON CONFLICT DO NOTHING",
        )?
        .execute((&credential.client_id, Hashed::of(credential.client_secret.expose()).0))?;
    let scopes = scopes_text(credential);
    match &credential.grant {
        SeedGrant::RefreshToken(refresh_token) => connection
            .prepare_cached(
                "INSERT INTO refresh_tokens (hash, client_id, user_id, scopes, is_seeded)
                 VALUES (?, ?, ?, ?, 1)
                 ON CONFLICT DO UPDATE SET is_seeded = 1 WHERE is_seeded = 0",
            )?
            .execute((Hashed::of(refresh_token.expose()).0, &credential.client_id, user.0, scopes)),
        SeedGrant::Code(code) => connection
            .prepare_cached(
                "INSERT INTO codes (hash, client_id, user_id, scopes, created_at)
                 VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            )?
            .execute((Hashed::of(code.expose()).0, &credential.client_id, user.0, scopes, now)),
    }
    .map(drop)
}

pub(super) fn manage_portal(user: &SeedUser) -> bool {
    user.permissions.contains(&Permission::ManagePortal)
}

pub(super) fn manage_portal_users(user: &SeedUser) -> bool {
    user.permissions.contains(&Permission::ManagePortalUsers)
}
