//! Applying a seed to a registry that has been seeded before: finding where they differ, and
//! making the registry as the seed has it.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, named_params};

use super::credentials::revoke;
use super::seeding::{
    self, environment_text, manage_portal, manage_portal_users, portal_limit_number, scopes_text,
};
use crate::seed::{Seed, SeedCredential, SeedDifference, SeedDifferences, SeedGrant, SeedOrg};
use crate::token::Hashed;

/// Adds what is missing, unless anything that is kept differs.
pub(super) fn apply_unless_different(
    connection: &Connection,
    seed: &Seed,
    now: i64,
) -> rusqlite::Result<Result<(), SeedDifferences>> {
    let mut differences = Vec::new();
    for org in &seed.orgs {
        compare_org(connection, org, &mut differences)?;
    }
    differences.extend(superfluous(connection, seed)?.into_iter().map(|it| it.difference));
    // A client may have many credentials, and an org many users.
    let mut listed = HashSet::new();
    differences.retain(|it| listed.insert(it.clone()));
    match SeedDifferences::new(differences) {
        Some(differences) => Ok(Err(differences)),
        None => seeding::apply(connection, seed, now).map(Ok),
    }
}

/// Makes orgs, users and credentials as the seed has them, and revokes what it does not have.
/// Portals stay; so do revocations and the use of a code.
pub(super) fn replace(connection: &Connection, seed: &Seed, now: i64) -> rusqlite::Result<()> {
    for superfluous in superfluous(connection, seed)? {
        revoke(connection, superfluous.refresh_token, now)?;
    }
    use_up_codes(connection, seed, now)?;
    seeding::apply(connection, seed, now)?;
    for org in &seed.orgs {
        replace_org(connection, org)?;
    }
    Ok(())
}

fn compare_org(
    connection: &Connection,
    org: &SeedOrg,
    differences: &mut Vec<SeedDifference>,
) -> rusqlite::Result<()> {
    let kept: Option<(i64, String, Option<i64>)> = connection
        .prepare_cached("SELECT id, environment, portal_limit FROM orgs WHERE name = ?")?
        .query_row([&org.name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let name = || org.name.clone();
    let org_id = kept.as_ref().map(|(id, ..)| *id);
    if let Some((_, environment, portal_limit)) = kept {
        if environment != environment_text(org.environment) {
            differences.push(SeedDifference::Environment { org: name() });
        }
        if portal_limit != portal_limit_number(org.portal_limit) {
            differences.push(SeedDifference::PortalLimit { org: name() });
        }
    }
    for user in &org.users {
        let kept: Option<(i64, String, bool, bool)> = connection
            .prepare_cached(
                "SELECT id, name, manage_portal, manage_portal_users FROM users
                 WHERE org_id = ? AND email = ?",
            )?
            .query_row((org_id, &user.email), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        let email = || user.email.clone();
        let user_id = kept.as_ref().map(|(id, ..)| *id);
        if let Some((_, user_name, first, second)) = kept {
            if user_name != user.name {
                differences.push(SeedDifference::UserName { org: name(), email: email() });
            }
            if (first, second) != (manage_portal(user), manage_portal_users(user)) {
                differences.push(SeedDifference::Permissions { org: name(), email: email() });
            }
        }
        for credential in &user.credentials {
            let client_id = || credential.client_id.clone();
            if has_another_secret(connection, credential)? {
                differences.push(SeedDifference::ClientSecret { client_id: client_id() });
            }
            if is_kept_otherwise(connection, credential, user_id)? {
                differences.push(SeedDifference::Credential {
                    org: name(),
                    email: email(),
                    client_id: client_id(),
                });
            }
        }
    }
    Ok(())
}

fn has_another_secret(
    connection: &Connection,
    credential: &SeedCredential,
) -> rusqlite::Result<bool> {
    let kept: Option<Hashed> = connection
        .prepare_cached("SELECT secret_hash FROM clients WHERE id = ?")?
        .query_row([&credential.client_id], |row| row.get(0).map(Hashed))
        .optional()?;
    let secret = Hashed::of(credential.client_secret.expose());
    Ok(kept.is_some_and(|kept| !kept.matches(secret)))
}

/// Whether its refresh token or code is that of another client or user, or has other scopes.
fn is_kept_otherwise(
    connection: &Connection,
    credential: &SeedCredential,
    user_id: Option<i64>,
) -> rusqlite::Result<bool> {
    let kept: Option<(String, i64, String)> = match &credential.grant {
        SeedGrant::RefreshToken(token) => connection
            .prepare_cached("SELECT client_id, user_id, scopes FROM refresh_tokens WHERE hash = ?")?
            .query_row([Hashed::of(token.expose()).0], |row| row.try_into()),
        SeedGrant::Code(code) => connection
            .prepare_cached("SELECT client_id, user_id, scopes FROM codes WHERE hash = ?")?
            .query_row([Hashed::of(code.expose()).0], |row| row.try_into()),
    }
    .optional()?;
    Ok(kept.is_some_and(|(client_id, user, scopes)| {
        client_id != credential.client_id
            || Some(user) != user_id
            || scopes != scopes_text(credential)
    }))
}

/// A refresh token that works and should not.
struct Superfluous {
    refresh_token: Hashed,
    difference: SeedDifference,
}

fn superfluous(connection: &Connection, seed: &Seed) -> rusqlite::Result<Vec<Superfluous>> {
    let mut users: HashMap<&str, HashSet<&str>> = HashMap::new();
    let mut tokens = HashSet::new();
    for org in &seed.orgs {
        let emails = users.entry(&org.name).or_default();
        for user in &org.users {
            emails.insert(&user.email);
            for credential in &user.credentials {
                if let SeedGrant::RefreshToken(token) = &credential.grant {
                    tokens.insert(Hashed::of(token.expose()));
                }
            }
        }
    }
    let mut found = Vec::new();
    let mut statement = connection.prepare_cached(
        "SELECT hash, orgs.name, email, client_id, is_seeded
         FROM refresh_tokens
         JOIN users ON users.id = user_id
         JOIN orgs ON orgs.id = org_id
         WHERE revoked_at IS NULL ORDER BY orgs.id, users.id, client_id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let refresh_token = Hashed(row.get(0)?);
        let (org, email): (String, String) = (row.get(1)?, row.get(2)?);
        let difference = match users.get(org.as_str()) {
            None => SeedDifference::OrgNotInSeed { org },
            Some(emails) if !emails.contains(email.as_str()) => {
                SeedDifference::UserNotInSeed { org, email }
            }
            // What came from a code is in no seed.
            Some(_) if row.get(4)? && !tokens.contains(&refresh_token) => {
                SeedDifference::RefreshTokenNotInSeed { org, email, client_id: row.get(3)? }
            }
            Some(_) => continue,
        };
        found.push(Superfluous { refresh_token, difference });
    }
    Ok(found)
}

/// Makes every code useless that the seed does not have.
fn use_up_codes(connection: &Connection, seed: &Seed, now: i64) -> rusqlite::Result<()> {
    let credentials = seed.orgs.iter().flat_map(|org| &org.users).flat_map(|it| &it.credentials);
    let codes: HashSet<_> = credentials
        .filter_map(|credential| match &credential.grant {
            SeedGrant::Code(code) => Some(Hashed::of(code.expose())),
            SeedGrant::RefreshToken(_) => None,
        })
        .collect();
    let unused: Vec<Hashed> = connection
        .prepare_cached("SELECT hash FROM codes WHERE used_at IS NULL")?
        .query_map([], |row| row.get(0).map(Hashed))?
        .collect::<rusqlite::Result<_>>()?;
    for code in unused.into_iter().filter(|code| !codes.contains(code)) {
        connection
            .prepare_cached("UPDATE codes SET used_at = ? WHERE hash = ?")?
            .execute((now, code.0))?;
    }
    Ok(())
}

/// The org, its users and their credentials exist.
fn replace_org(connection: &Connection, org: &SeedOrg) -> rusqlite::Result<()> {
    let (org_id, old_limit): (i64, Option<i64>) = connection
        .prepare_cached("SELECT id, portal_limit FROM orgs WHERE name = ?")?
        .query_row([&org.name], |row| row.try_into())?;
    let portal_limit = portal_limit_number(org.portal_limit);
    connection
        .prepare_cached("UPDATE orgs SET environment = ?, portal_limit = ? WHERE id = ?")?
        .execute((environment_text(org.environment), portal_limit, org_id))?;
    if portal_limit != old_limit {
        // With a limit the first of its portals takes the slot, whatever others it has.
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
                "UPDATE users SET name = ?, manage_portal = ?, manage_portal_users = ?
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
