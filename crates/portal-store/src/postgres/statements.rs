//! The prepared statements of every session.

use tokio_postgres::{Client, Statement};

use crate::sql;

/// Declares a struct with one prepared statement per field.
macro_rules! statements {
    ($($name:ident = $sql:expr;)*) => {
        pub(super) struct Statements {
            $(pub(super) $name: Statement,)*
        }

        impl Statements {
            pub(super) async fn prepare(client: &Client) -> Result<Self, tokio_postgres::Error> {
                // Pipelined, in one round trip.
                let ($($name,)*) = tokio::try_join!($(client.prepare($sql)),*)?;
                Ok(Self { $($name),* })
            }
        }
    };
}

statements! {
    create_portal = CREATE_PORTAL;
    org_is_full = sql::ORG_IS_FULL;
    rename_portal = RENAME_PORTAL;
    portal = sql::PORTAL;
    portals = sql::PORTALS;
    client_secret = sql::CLIENT_SECRET;
    grant = GRANT;
    revoke = REVOKE;
    end = END_ACCESS_TOKEN;
    principal = sql::PRINCIPAL;
    orgs = sql::ORGS;
    any_org = "SELECT FROM orgs LIMIT 1";
    users = sql::USERS;
    credentials = sql::CREDENTIALS;
    audit = sql::AUDIT;
}

/// The unique indexes decide; there is no check before the insert. If another transaction holds the
/// name uncommitted, the insert waits for its end.
const CREATE_PORTAL: &str = "
    INSERT INTO portals (org_id, limit_slot, name, name_key,
                         created_at, created_by, modified_at, modified_by)
    VALUES ($1, (SELECT portal_limit FROM orgs WHERE id = $1), $2, $3, $4, $5, $4, $5)
    ON CONFLICT DO NOTHING
    RETURNING id";

/// Locks the row of `old` first, so that the audit log gets the actual old name.
const RENAME_PORTAL: &str = concat!(
    "WITH old AS (
         SELECT id, name FROM portals WHERE org_id = $1 AND name_key = $2 FOR NO KEY UPDATE),
     renamed AS (
         UPDATE portals SET name = $3, name_key = $4, modified_at = $5, modified_by = $6
         FROM old WHERE portals.id = old.id
         RETURNING portals.id, portals.name, created_at, created_by, modified_at, modified_by,
                   old.name AS old_name),
     noted AS (
         INSERT INTO audit (at, after_portal, actor, action, org, subject, portal_id, detail)
         SELECT $5, (SELECT max(id) FROM portals), email, 'portal_renamed', orgs.name,
                renamed.name, renamed.id, old_name
         FROM renamed JOIN users ON users.id = modified_by JOIN orgs ON orgs.id = $1) ",
    sql::select_portals!("renamed AS portals")
);

const GRANT: &str = "SELECT grant_access_token($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

/// Does not see access tokens that are issued concurrently; `PRINCIPAL` checks the refresh token,
/// so those are invalid too.
const REVOKE: &str = "
    WITH revoked AS (
        UPDATE refresh_tokens SET revoked_at = $2 WHERE hash = $1 AND revoked_at IS NULL
        RETURNING hash, client_id, user_id, scopes),
    ended AS (
        DELETE FROM access_tokens WHERE refresh_hash IN (SELECT hash FROM revoked)),
    noted AS (
        INSERT INTO audit (at, after_portal, actor, action, org, subject, detail)
        SELECT $2, (SELECT coalesce(max(id), 0) FROM portals), email, 'credential_revoked',
               orgs.name, client_id || ' ' || left(encode(hash, 'hex'), 12), scopes
        FROM revoked JOIN users ON users.id = user_id JOIN orgs ON orgs.id = org_id)
    SELECT FROM revoked";

const END_ACCESS_TOKEN: &str = "
    UPDATE access_tokens SET expires_at = NULL WHERE hash = $1 AND expires_at IS NOT NULL
    RETURNING id";
