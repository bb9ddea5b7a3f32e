//! Statements that apply a seed: each adds what is missing and leaves what exists.

use portal_model::{Environment, Scope};
use tokio_postgres::Client;

use super::migrations::lock_seeds;
use crate::org::{OrgId, Permission, PortalLimit, UserId};
use crate::seed::{Seed, SeedGrant};
use crate::token::Hashed;

/// Adds all of it in one transaction. Seeds take turns, for the sake of the numbers of orgs and
/// users; whether something exists the unique indexes decide.
pub(super) async fn apply(
    client: &mut Client,
    seed: &Seed,
    now: i64,
) -> Result<(), tokio_postgres::Error> {
    let seed = Columns::of(seed);
    let transaction = client.transaction().await?;
    lock_seeds(&transaction).await?;
    transaction
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
    transaction
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
    transaction
        .execute(
            "INSERT INTO clients (id, secret_hash)
             SELECT * FROM unnest($1::text[], $2::bytea[])
             ON CONFLICT (id) DO NOTHING",
            &[&seed.clients.id, &seed.clients.secret_hash],
        )
        .await?;
    let tokens = &seed.refresh_tokens;
    transaction
        .execute(
            "INSERT INTO refresh_tokens (hash, client_id, user_id, scopes)
             SELECT hash, client, users.id, scopes
             FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[])
                  AS new (hash, client, org, user_email, scopes)
             JOIN orgs ON orgs.name = org
             JOIN users ON org_id = orgs.id AND email = user_email
             ON CONFLICT (hash) DO NOTHING",
            &[&tokens.hash, &tokens.client, &tokens.org, &tokens.email, &tokens.scopes],
        )
        .await?;
    let codes = &seed.codes;
    transaction
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
    transaction.commit().await
}

/// A seed by the columns of the tables, so that each table is one statement.
#[derive(Default)]
struct Columns<'a> {
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

/// What entitles the user of an org to tokens.
#[derive(Default)]
struct Grants<'a> {
    hash: Vec<Vec<u8>>,
    client: Vec<&'a str>,
    org: Vec<&'a str>,
    email: Vec<&'a str>,
    scopes: Vec<String>,
}

impl<'a> Columns<'a> {
    fn of(seed: &'a Seed) -> Self {
        let hash = |secret: &str| Hashed::of(secret).0.to_vec();
        let mut columns = Self::default();
        for org in &seed.orgs {
            columns.orgs.name.push(&org.name);
            columns.orgs.environment.push(match org.environment {
                Environment::Production => "production",
                Environment::Sandbox => "sandbox",
                Environment::Developer => "developer",
            });
            columns.orgs.limit.push(match org.portal_limit {
                PortalLimit::One => Some(1),
                PortalLimit::Unlimited => None,
            });
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
                    let scopes: Vec<&str> = credential.scopes.iter().map(Scope::as_str).collect();
                    grants.scopes.push(scopes.join(","));
                }
            }
        }
        columns
    }
}
