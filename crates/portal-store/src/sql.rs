//! What the SQL engines share: statements in the dialect of both, and the meaning of their columns.
//!
//! `$1` is a parameter in both dialects. SQLite takes it as a name and numbers names as they appear,
//! so every statement here mentions its parameters in order.

use portal_model::{Portal, Scope, Timestamp, UserRef};
use serde::Deserialize as _;
use serde::de::{IntoDeserializer as _, value};

use crate::audit::{AuditAction, AuditEntry};
use crate::change::Credential;
use crate::org::{Org, OrgId, Permission, PortalLimit, Principal, User, UserId, environment};
use crate::people::{Change, GrantKey, GrantRow, OrgRow, Row, UserRow};
use crate::token::Hashed;

/// A row of an engine. Columns are counted from 0.
pub(crate) trait Columns {
    type Error;

    fn optional_number(&self, column: usize) -> Result<Option<i64>, Self::Error>;
    fn optional_text(&self, column: usize) -> Result<Option<&str>, Self::Error>;
    fn flag(&self, column: usize) -> Result<bool, Self::Error>;
    fn hash(&self, column: usize) -> Result<Hashed, Self::Error>;

    /// The error for a column with a value that this program never writes.
    fn damaged(what: String) -> Self::Error;

    fn number(&self, column: usize) -> Result<i64, Self::Error> {
        self.optional_number(column)?
            .ok_or_else(|| Self::damaged(format!("column {column} is null")))
    }

    fn text(&self, column: usize) -> Result<&str, Self::Error> {
        self.optional_text(column)?.ok_or_else(|| Self::damaged(format!("column {column} is null")))
    }
}

/// The value of a parameter.
pub(crate) enum Value {
    Number(Option<i64>),
    Text(Option<String>),
    Flag(bool),
    Hash(Vec<u8>),
}

impl Value {
    fn number(number: i64) -> Self {
        Self::Number(Some(number))
    }

    fn text(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }

    fn hash(hash: Hashed) -> Self {
        Self::Hash(hash.0.to_vec())
    }
}

/// A table of [`People`](crate::people::People). The order is that of the references between them.
#[derive(Clone, Copy)]
pub(crate) enum Table {
    Orgs,
    Users,
    Clients,
    RefreshTokens,
    Codes,
}

impl Table {
    pub(crate) const ALL: [Self; 5] =
        [Self::Orgs, Self::Users, Self::Clients, Self::RefreshTokens, Self::Codes];

    /// Selects all rows, for [`read`](Self::read).
    pub(crate) fn select(self) -> &'static str {
        match self {
            Self::Orgs => "SELECT id, name, environment, portal_limit, removed_at FROM orgs",
            Self::Users => {
                "SELECT id, name, email, manage_portal, manage_portal_users, org_id, removed_at
                 FROM users"
            }
            Self::Clients => "SELECT id, secret_hash FROM clients",
            Self::RefreshTokens => {
                "SELECT hash, client_id, user_id, scopes, revoked_at, is_seeded
                 FROM refresh_tokens"
            }
            Self::Codes => {
                "SELECT hash, client_id, user_id, scopes, used_at, created_at FROM codes"
            }
        }
    }

    pub(crate) fn read<R: Columns>(self, row: &R) -> Result<Row, R::Error> {
        let grant = |key, is_seeded, created_at| {
            Ok(GrantRow {
                key,
                client_id: row.text(1)?.to_owned(),
                user: UserId(row.number(2)?),
                scopes: scopes(row, 3)?,
                is_seeded,
                created_at,
                ended_at: row.optional_number(4)?,
            })
        };
        Ok(match self {
            Self::Orgs => Row::Org(OrgRow { org: org(row)?, removed_at: row.optional_number(4)? }),
            Self::Users => Row::User(UserRow {
                org: OrgId(row.number(5)?),
                user: user(row, 0)?,
                removed_at: row.optional_number(6)?,
            }),
            Self::Clients => Row::Client { id: row.text(0)?.to_owned(), secret: row.hash(1)? },
            Self::RefreshTokens => {
                Row::Grant(grant(GrantKey::RefreshToken(row.hash(0)?), row.flag(5)?, 0)?)
            }
            Self::Codes => Row::Grant(grant(GrantKey::Code(row.hash(0)?), true, row.number(5)?)?),
        })
    }
}

/// The statements that write a change, with their parameters.
pub(crate) fn statements(change: &Change) -> Vec<(&'static str, Vec<Value>)> {
    match change {
        Change::Row(Row::Org(OrgRow { org, removed_at })) => vec![(
            "INSERT INTO orgs (id, name, environment, portal_limit, removed_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO UPDATE SET
                 environment = excluded.environment, portal_limit = excluded.portal_limit,
                 removed_at = excluded.removed_at",
            vec![
                Value::number(org.id.0),
                Value::text(&org.name),
                Value::text(org.environment.as_str()),
                limit_value(org.portal_limit),
                Value::Number(*removed_at),
            ],
        )],
        Change::Row(Row::User(UserRow { org, user, removed_at })) => vec![(
            "INSERT INTO users
                 (id, org_id, name, email, manage_portal, manage_portal_users, removed_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (id) DO UPDATE SET
                 name = excluded.name, manage_portal = excluded.manage_portal,
                 manage_portal_users = excluded.manage_portal_users,
                 removed_at = excluded.removed_at",
            vec![
                Value::number(user.id.0),
                Value::number(org.0),
                Value::text(&user.name),
                Value::text(&user.email),
                Value::Flag(user.permissions.contains(&Permission::ManagePortal)),
                Value::Flag(user.permissions.contains(&Permission::ManagePortalUsers)),
                Value::Number(*removed_at),
            ],
        )],
        Change::Row(Row::Client { id, secret }) => vec![(
            "INSERT INTO clients (id, secret_hash) VALUES ($1, $2)
             ON CONFLICT (id) DO UPDATE SET secret_hash = excluded.secret_hash",
            vec![Value::text(id), Value::hash(*secret)],
        )],
        Change::Row(Row::Grant(grant)) => grant_statements(grant),
        // When a limit is introduced, the first portal takes the slot even if there are more.
        Change::PortalLimit(org, limit) => vec![(
            "UPDATE portals SET limit_slot = CASE
                 WHEN id = (SELECT min(id) FROM portals WHERE org_id = $1)
                 THEN CAST($2 AS bigint) END
             WHERE org_id = $1",
            vec![Value::number(org.0), limit_value(*limit)],
        )],
        Change::Audit(entry) => vec![(
            "INSERT INTO audit (at, after_portal, actor, action, org, subject, detail)
             VALUES ($1, (SELECT coalesce(max(id), 0) FROM portals), $2, $3, $4, $5, $6)",
            vec![
                Value::number(entry.at.unix_seconds()),
                Value::text(&entry.actor),
                Value::text(entry.action.as_str()),
                Value::Text(entry.org.clone()),
                Value::text(&entry.subject),
                Value::Text(entry.detail.clone()),
            ],
        )],
    }
}

fn grant_statements(grant: &GrantRow) -> Vec<(&'static str, Vec<Value>)> {
    let columns = |hash: Hashed, last: Value| {
        vec![
            Value::hash(hash),
            Value::text(&grant.client_id),
            Value::number(grant.user.0),
            Value::Text(Some(grant.scopes_text())),
            Value::Number(grant.ended_at),
            last,
        ]
    };
    match grant.key {
        GrantKey::RefreshToken(hash) => {
            let put = "
                INSERT INTO refresh_tokens (hash, client_id, user_id, scopes, revoked_at, is_seeded)
                VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (hash) DO UPDATE SET
                    client_id = excluded.client_id, user_id = excluded.user_id,
                    scopes = excluded.scopes, revoked_at = excluded.revoked_at,
                    is_seeded = excluded.is_seeded";
            let mut statements = vec![(put, columns(hash, Value::Flag(grant.is_seeded)))];
            if grant.ended_at.is_some() {
                let end = "DELETE FROM access_tokens WHERE refresh_hash = $1";
                statements.push((end, vec![Value::hash(hash)]));
            }
            statements
        }
        GrantKey::Code(hash) => vec![(
            "INSERT INTO codes (hash, client_id, user_id, scopes, used_at, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (hash) DO UPDATE SET
                 client_id = excluded.client_id, user_id = excluded.user_id,
                 scopes = excluded.scopes, used_at = excluded.used_at",
            columns(hash, Value::number(grant.created_at)),
        )],
    }
}

/// For [`org`].
pub(crate) const ORGS: &str = "
    SELECT id, name, environment, portal_limit FROM orgs WHERE removed_at IS NULL ORDER BY id";

/// For [`user`].
pub(crate) const USERS: &str = "
    SELECT id, name, email, manage_portal, manage_portal_users FROM users
    WHERE org_id = $1 AND removed_at IS NULL ORDER BY id";

/// For [`credential`].
pub(crate) const CREDENTIALS: &str = "
    SELECT email, client_id, hash, scopes, revoked_at
    FROM refresh_tokens JOIN users ON users.id = user_id
    WHERE org_id = $1 ORDER BY user_id, client_id, hash";

/// For [`principal`].
pub(crate) const PRINCIPAL: &str = "
    SELECT orgs.id, orgs.name, environment, portal_limit,
           users.id, users.name, email, manage_portal, manage_portal_users,
           scopes, expires_at, client_id
    FROM access_tokens
    JOIN refresh_tokens ON refresh_tokens.hash = refresh_hash
    JOIN users ON users.id = user_id
    JOIN orgs ON orgs.id = org_id
    WHERE access_tokens.hash = $1 AND expires_at > $2 AND revoked_at IS NULL
          AND users.removed_at IS NULL";

pub(crate) const CLIENT_SECRET: &str = "SELECT secret_hash FROM clients WHERE id = $1";

/// Selects portals for [`portal`] from a table or changed rows, with their creator and modifier.
macro_rules! select_portals {
    ($from:literal $(, $rest:literal)?) => {
        concat!(
            "SELECT portals.id, portals.name, created_at, creator.id, creator.name,
                    modified_at, modifier.id, modifier.name
             FROM ", $from, "
             JOIN users AS creator ON creator.id = created_by
             JOIN users AS modifier ON modifier.id = modified_by "
             $(, $rest)?
        )
    };
}
#[cfg(feature = "postgres")]
pub(crate) use select_portals;

pub(crate) const PORTALS: &str =
    select_portals!("portals", "WHERE portals.org_id = $1 ORDER BY portals.id");

pub(crate) const PORTAL: &str =
    select_portals!("portals", "WHERE portals.org_id = $1 AND name_key = $2");

/// Returns a row if the org has the only portal that it can have.
pub(crate) const ORG_IS_FULL: &str =
    "SELECT 1 FROM portals WHERE org_id = $1 AND limit_slot IS NOT NULL";

/// The last entries, newest first, for [`audit_entry`]. A create is ordered by its portal and shows
/// the name from before any rename.
pub(crate) const AUDIT: &str = "
    SELECT at, actor, action, org, subject, detail FROM (
        SELECT * FROM (
            SELECT portals.id AS place, 0 AS id, created_at AS at, email AS actor,
                   'portal_created' AS action, orgs.name AS org,
                   coalesce((SELECT detail FROM audit WHERE portal_id = portals.id
                             ORDER BY id LIMIT 1), portals.name) AS subject,
                   CAST(NULL AS text) AS detail
            FROM portals
            JOIN users ON users.id = created_by
            JOIN orgs ON orgs.id = portals.org_id
            ORDER BY portals.id DESC LIMIT $1) AS creates
        UNION ALL
        SELECT * FROM (
            SELECT after_portal, id, at, actor, action, org, subject, detail FROM audit
            ORDER BY id DESC LIMIT $1) AS others) AS entries
    ORDER BY place DESC, id DESC LIMIT $1";

/// Reads the first four columns.
pub(crate) fn org<R: Columns>(row: &R) -> Result<Org, R::Error> {
    Ok(Org {
        id: OrgId(row.number(0)?),
        name: row.text(1)?.to_owned(),
        environment: environment(row.text(2)?).unwrap_or_default(),
        portal_limit: match row.optional_number(3)? {
            None => PortalLimit::Unlimited,
            Some(_) => PortalLimit::One,
        },
    })
}

fn limit_value(limit: PortalLimit) -> Value {
    Value::Number(match limit {
        PortalLimit::One => Some(1),
        PortalLimit::Unlimited => None,
    })
}

/// Reads five columns, starting at `first`.
pub(crate) fn user<R: Columns>(row: &R, first: usize) -> Result<User, R::Error> {
    let allowed = [row.flag(first + 3)?, row.flag(first + 4)?];
    let permissions = Permission::ALL.into_iter().zip(allowed);
    Ok(User {
        id: UserId(row.number(first)?),
        name: row.text(first + 1)?.to_owned(),
        email: row.text(first + 2)?.to_owned(),
        permissions: permissions.filter(|(_, allowed)| *allowed).map(|(it, _)| it).collect(),
    })
}

fn scopes<R: Columns>(row: &R, column: usize) -> Result<Vec<Scope>, R::Error> {
    let scopes = row.text(column)?.split(',');
    Ok(scopes.filter(|scope| !scope.is_empty()).map(Scope::new).collect())
}

pub(crate) fn credential<R: Columns>(row: &R) -> Result<Credential, R::Error> {
    Ok(Credential {
        email: row.text(0)?.to_owned(),
        client_id: row.text(1)?.to_owned(),
        fingerprint: row.hash(2)?.fingerprint(),
        scopes: scopes(row, 3)?,
        revoked_at: row.optional_number(4)?.and_then(Timestamp::from_unix_seconds),
    })
}

pub(crate) fn principal<R: Columns>(row: &R) -> Result<Principal, R::Error> {
    Ok(Principal {
        org: org(row)?,
        user: user(row, 4)?,
        scopes: scopes(row, 9)?,
        expires_at: timestamp(row, 10)?,
        client_id: row.text(11)?.to_owned(),
    })
}

pub(crate) fn portal<R: Columns>(row: &R) -> Result<Portal, R::Error> {
    let user = |id: usize| Ok(UserRef::new(row.text(id + 1)?, UserId(row.number(id)?).to_string()));
    let mut portal = Portal::new(row.text(1)?);
    portal.zaid = Some(row.number(0)?.to_string());
    portal.active = Some(true);
    portal.created_time = Timestamp::from_unix_seconds(row.number(2)?);
    portal.created_by = Some(user(3)?);
    portal.modified_time = Timestamp::from_unix_seconds(row.number(5)?);
    portal.modified_by = Some(user(6)?);
    Ok(portal)
}

pub(crate) fn audit_entry<R: Columns>(row: &R) -> Result<AuditEntry, R::Error> {
    let action: Result<_, value::Error> =
        AuditAction::deserialize(row.text(2)?.into_deserializer());
    Ok(AuditEntry {
        at: timestamp(row, 0)?,
        actor: row.text(1)?.to_owned(),
        action: action.map_err(|error| R::damaged(format!("the audit table: {error}")))?,
        org: row.optional_text(3)?.map(ToOwned::to_owned),
        subject: row.text(4)?.to_owned(),
        detail: row.optional_text(5)?.map(ToOwned::to_owned),
    })
}

fn timestamp<R: Columns>(row: &R, column: usize) -> Result<Timestamp, R::Error> {
    let seconds = row.number(column)?;
    Timestamp::from_unix_seconds(seconds)
        .ok_or_else(|| R::damaged(format!("the time {seconds} is out of range")))
}
