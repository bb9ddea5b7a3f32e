//! The prepared statements of every session.

use tokio_postgres::{Client, Statement};

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
    has_orgs = "SELECT EXISTS (SELECT FROM orgs)";
    create_portal = CREATE_PORTAL;
    org_is_full = ORG_IS_FULL;
    rename_portal = RENAME_PORTAL;
    portal = PORTAL;
    portals = PORTALS;
    client_secret = CLIENT_SECRET;
    grant = GRANT;
    revoke = REVOKE;
    end = END_ACCESS_TOKEN;
    principal = PRINCIPAL;
    orgs = ORGS;
    org_id = ORG_ID;
    users = USERS;
    credentials = CREDENTIALS;
    audit = AUDIT;
}

/// The unique indexes decide; there is no check before the insert. If another transaction holds the
/// name uncommitted, the insert waits for its end.
const CREATE_PORTAL: &str = "
    INSERT INTO portals (org_id, limit_slot, name, name_key,
                         created_at, created_by, modified_at, modified_by)
    VALUES ($1, (SELECT portal_limit FROM orgs WHERE id = $1), $2, $3, $4, $5, $4, $5)
    ON CONFLICT DO NOTHING
    RETURNING id";

/// A separate statement, because a statement sees only what was committed before it began, and the
/// conflicting portal may have been committed while the create was running.
const ORG_IS_FULL: &str =
    "SELECT EXISTS (SELECT FROM portals WHERE org_id = $1 AND limit_slot IS NOT NULL)";

/// The common end of every statement that reads portals; `portals` is the table or a changed row.
macro_rules! select {
    ($from:literal) => {
        concat!(
            "SELECT portals.id, portals.name, created_at, creator.id, creator.name,
                    modified_at, modifier.id, modifier.name
             FROM ",
            $from
        )
    };
}

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
    select!(
        "renamed AS portals
         LEFT JOIN users AS creator ON creator.id = created_by
         LEFT JOIN users AS modifier ON modifier.id = modified_by"
    )
);

const PORTAL: &str = select!(
    "portals
     JOIN users AS creator ON creator.id = created_by
     JOIN users AS modifier ON modifier.id = modified_by
     WHERE portals.org_id = $1 AND name_key = $2"
);

const PORTALS: &str = select!(
    "portals
     JOIN users AS creator ON creator.id = created_by
     JOIN users AS modifier ON modifier.id = modified_by
     WHERE portals.org_id = $1 ORDER BY portals.id"
);

const CLIENT_SECRET: &str = "SELECT secret_hash FROM clients WHERE id = $1";

const GRANT: &str = "SELECT grant_access_token($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

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

const PRINCIPAL: &str = "
    SELECT orgs.id, orgs.name, environment, portal_limit,
           users.id, users.name, email, manage_portal, manage_portal_users,
           scopes, expires_at, client_id
    FROM access_tokens
    JOIN refresh_tokens ON refresh_tokens.hash = refresh_hash
    JOIN users ON users.id = user_id
    JOIN orgs ON orgs.id = org_id
    WHERE access_tokens.hash = $1 AND expires_at > $2 AND revoked_at IS NULL
          AND users.removed_at IS NULL";

const ORGS: &str = "
    SELECT id, name, environment, portal_limit FROM orgs WHERE removed_at IS NULL ORDER BY id";

pub(super) const ORG_ID: &str = "SELECT id FROM orgs WHERE name = $1 AND removed_at IS NULL";

const USERS: &str = "
    SELECT id, name, email, manage_portal, manage_portal_users FROM users
    WHERE org_id = $1 AND removed_at IS NULL ORDER BY id";

const CREDENTIALS: &str = "
    SELECT email, client_id, hash, scopes, revoked_at
    FROM refresh_tokens JOIN users ON users.id = user_id
    WHERE org_id = $1 ORDER BY users.id, client_id, hash";

/// Returns the last entries, newest first. A create is ordered by its portal and shows the name
/// from before any rename.
const AUDIT: &str = "
    SELECT at, actor, action, org, subject, detail FROM (
        (SELECT portals.id AS place, 0 AS id, created_at AS at, email AS actor,
                'portal_created' AS action, orgs.name AS org,
                coalesce((SELECT detail FROM audit WHERE portal_id = portals.id
                          ORDER BY id LIMIT 1), portals.name) AS subject,
                NULL::text AS detail
         FROM portals
         JOIN users ON users.id = created_by
         JOIN orgs ON orgs.id = portals.org_id
         ORDER BY portals.id DESC LIMIT $1)
        UNION ALL
        (SELECT after_portal, id, at, actor, action, org, subject, detail FROM audit
         ORDER BY id DESC LIMIT $1)) AS entries
    ORDER BY place DESC, id DESC LIMIT $1";
