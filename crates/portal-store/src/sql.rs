//! What the SQL engines share: statements in the dialect of both, and the meaning of their columns.
//!
//! `$1` is a parameter in both dialects. SQLite takes it as a name and numbers names as they appear,
//! so every statement here mentions its parameters in order.

use std::error::Error;

use portal_model::error::with_sources;
use portal_model::name::name_key;
use portal_model::{Portal, Scope, Timestamp, UserRef};
use serde::de::value::{self, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};

use crate::audit::AuditEntry;
use crate::change::Credential;
use crate::org::{Org, OrgId, Permission, PortalLimit, Principal, User, UserId};
use crate::people::{AccessTokenRow, Change, GrantKind, GrantRow, OrgRow, PortalRow, Row, UserRow};
use crate::token::Hashed;

/// A row of an engine. Columns are counted from 0.
pub(crate) trait Columns {
    fn optional_number(&self, column: usize) -> Read<Option<i64>>;
    fn optional_text(&self, column: usize) -> Read<Option<&str>>;
    fn flag(&self, column: usize) -> Read<bool>;
    fn hash(&self, column: usize) -> Read<Hashed>;
}

/// Why a column can't be read: it has a value that this program never writes.
pub(crate) struct Damaged(pub(crate) String);

impl<E: Error + 'static> From<E> for Damaged {
    fn from(error: E) -> Self {
        Self(with_sources(&error))
    }
}

pub(crate) type Read<T> = Result<T, Damaged>;

/// Reads a row.
pub(crate) type Reader<T> = fn(&dyn Columns) -> Read<T>;

impl dyn Columns + '_ {
    fn number(&self, column: usize) -> Read<i64> {
        self.optional_number(column)?.ok_or_else(|| Damaged(format!("column {column} is null")))
    }

    fn text(&self, column: usize) -> Read<&str> {
        self.optional_text(column)?.ok_or_else(|| Damaged(format!("column {column} is null")))
    }
}

/// A statement that selects, and how to read a row of it.
pub(crate) struct Query<T> {
    pub(crate) text: &'static str,
    pub(crate) read: Reader<T>,
}

/// The value of a parameter.
pub(crate) enum Value {
    Number(Option<i64>),
    Text(Option<String>),
    Flag(bool),
    Hash(Vec<u8>),
}

impl Value {
    pub(crate) fn number(number: i64) -> Self {
        Self::Number(Some(number))
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }

    pub(crate) fn hash(hash: Hashed) -> Self {
        Self::Hash(hash.0.to_vec())
    }
}

/// The rows of [`People`](crate::people::People) that a rule reads.
pub(crate) enum Rows {
    /// All but access tokens.
    Everybody,
    /// Those about the user of a refresh token or code, with the access tokens of the former.
    OfGrant(Hashed),
    /// One access token.
    AccessToken(Hashed),
    /// A user with the user's org, and the portals with the key of either name.
    OfRename { user: UserId, old: String, new: String },
}

/// Selects portals with their creators and modifiers, for [`portal`].
macro_rules! select_portals {
    ($($condition:literal)?) => {
        concat!(
            "SELECT portals.id, portals.name, created_at, creator.id, creator.name,
                    modified_at, modifier.id, modifier.name, portals.org_id
             FROM portals
             JOIN users AS creator ON creator.id = created_by
             JOIN users AS modifier ON modifier.id = modified_by "
             $(, $condition)?
        )
    };
}

/// The user of the refresh token or code with the hash `$1`.
macro_rules! from_user_of_grant {
    () => {
        "FROM users WHERE id = (SELECT user_id FROM grants WHERE hash = $1)"
    };
}

impl Rows {
    /// The queries for them, each with its parameters.
    pub(crate) fn queries(&self) -> Vec<(String, Vec<Value>, Reader<Row>)> {
        let selected = match self {
            Self::Everybody => {
                let tables = [ORG_ROWS, USER_ROWS, CLIENT_ROWS, GRANT_ROWS];
                tables.map(|table| (table, "", Vec::new())).into()
            }
            Self::OfGrant(hash) => {
                let of_grant = [
                    (ORG_ROWS, concat!("WHERE id = (SELECT org_id ", from_user_of_grant!(), ")")),
                    (USER_ROWS, concat!("WHERE id = (SELECT id ", from_user_of_grant!(), ")")),
                    (
                        GRANT_ROWS,
                        concat!("WHERE user_id = (SELECT id ", from_user_of_grant!(), ")"),
                    ),
                    (ACCESS_TOKEN_ROWS, "WHERE refresh_hash = $1 ORDER BY id"),
                ];
                of_grant.map(|(table, rows)| (table, rows, vec![Value::hash(*hash)])).into()
            }
            Self::AccessToken(hash) => {
                vec![(ACCESS_TOKEN_ROWS, "WHERE hash = $1", vec![Value::hash(*hash)])]
            }
            Self::OfRename { user, old, new } => vec![
                (
                    ORG_ROWS,
                    "WHERE id = (SELECT org_id FROM users WHERE id = $1)",
                    vec![Value::number(user.0)],
                ),
                (USER_ROWS, "WHERE id = $1", vec![Value::number(user.0)]),
                (
                    PORTAL_ROWS,
                    "WHERE name_key IN ($1, $2)",
                    vec![Value::text(old), Value::text(new)],
                ),
            ],
        };
        let complete = |(query, rows, values): (Query<Row>, &str, _)| {
            (format!("{} {rows}", query.text), values, query.read)
        };
        selected.into_iter().map(complete).collect()
    }
}

const ORG_ROWS: Query<Row> = Query {
    text: "SELECT id, name, environment, portal_limit, removed_at FROM orgs",
    read: |row| Ok(Row::Org(OrgRow { org: org(row)?, removed_at: row.optional_number(4)? })),
};

const USER_ROWS: Query<Row> = Query {
    text: "SELECT id, name, email, manage_portal, manage_portal_users, org_id, removed_at FROM users",
    read: |row| {
        let (org, removed_at) = (OrgId(row.number(5)?), row.optional_number(6)?);
        Ok(Row::User(UserRow { org, user: user(row, 0)?, removed_at }))
    },
};

const CLIENT_ROWS: Query<Row> = Query {
    text: "SELECT id, secret_hash FROM clients",
    read: |row| Ok(Row::Client { id: row.text(0)?.to_owned(), secret: row.hash(1)? }),
};

const GRANT_ROWS: Query<Row> = Query {
    text: "SELECT hash, is_code, client_id, user_id, scopes, is_seeded, created_at, ended_at
           FROM grants",
    read: |row| {
        Ok(Row::Grant(GrantRow {
            hash: row.hash(0)?,
            kind: if row.flag(1)? { GrantKind::Code } else { GrantKind::RefreshToken },
            client_id: row.text(2)?.to_owned(),
            user: UserId(row.number(3)?),
            scopes: scopes(row, 4)?,
            is_seeded: row.flag(5)?,
            created_at: row.number(6)?,
            ended_at: row.optional_number(7)?,
        }))
    },
};

const ACCESS_TOKEN_ROWS: Query<Row> = Query {
    text: "SELECT hash, refresh_hash, issued_at, expires_at FROM access_tokens",
    read: |row| {
        Ok(Row::AccessToken(AccessTokenRow {
            hash: row.hash(0)?,
            refresh_token: row.hash(1)?,
            issued_at: row.number(2)?,
            expires_at: row.optional_number(3)?,
        }))
    },
};

const PORTAL_ROWS: Query<Row> = Query {
    text: select_portals!(),
    read: |row| {
        let (id, org) = (row.number(0)?, OrgId(row.number(8)?));
        Ok(Row::Portal(PortalRow { id, org, portal: portal(row)? }))
    },
};

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
        Change::Row(Row::AccessToken(token)) => vec![(
            "INSERT INTO access_tokens (hash, refresh_hash, issued_at, expires_at)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (hash) DO UPDATE SET expires_at = excluded.expires_at",
            vec![
                Value::hash(token.hash),
                Value::hash(token.refresh_token),
                Value::number(token.issued_at),
                Value::Number(token.expires_at),
            ],
        )],
        Change::Forget(access_token) => {
            vec![("DELETE FROM access_tokens WHERE hash = $1", vec![Value::hash(*access_token)])]
        }
        // When a limit is introduced, the first portal takes the slot even if there are more.
        Change::PortalLimit(org, limit) => vec![(
            "UPDATE portals SET limit_slot = CASE
                 WHEN id = (SELECT min(id) FROM portals WHERE org_id = $1)
                 THEN CAST($2 AS bigint) END
             WHERE org_id = $1",
            vec![Value::number(org.0), limit_value(*limit)],
        )],
        // Only a create in memory makes one.
        Change::Row(Row::Portal(_)) => Vec::new(),
        Change::Rename { portal, by, entry } => vec![
            (
                "UPDATE portals SET name = $1, name_key = $2, modified_at = $3, modified_by = $4
                 WHERE id = $5",
                vec![
                    Value::text(&entry.subject),
                    Value::Text(Some(name_key(&entry.subject))),
                    Value::number(entry.at.unix_seconds()),
                    Value::number(by.0),
                    Value::number(*portal),
                ],
            ),
            audit(entry, Some(*portal)),
        ],
        Change::Audit(entry) => vec![audit(entry, None)],
    }
}

fn audit(entry: &AuditEntry, portal: Option<i64>) -> (&'static str, Vec<Value>) {
    let insert = "
        INSERT INTO audit (at, after_portal, actor, action, org, subject, detail, portal_id)
        VALUES ($1, (SELECT coalesce(max(id), 0) FROM portals), $2, $3, $4, $5, $6, $7)";
    let values = vec![
        Value::number(entry.at.unix_seconds()),
        Value::text(&entry.actor),
        Value::Text(Some(entry.action.to_string())),
        Value::Text(entry.org.clone()),
        Value::text(&entry.subject),
        Value::Text(entry.detail.clone()),
        Value::Number(portal),
    ];
    (insert, values)
}

fn grant_statements(grant: &GrantRow) -> Vec<(&'static str, Vec<Value>)> {
    let put = "
        INSERT INTO grants
            (hash, is_code, client_id, user_id, scopes, is_seeded, created_at, ended_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (hash) DO UPDATE SET
            is_code = excluded.is_code, client_id = excluded.client_id,
            user_id = excluded.user_id, scopes = excluded.scopes,
            is_seeded = excluded.is_seeded, ended_at = excluded.ended_at";
    let values = vec![
        Value::hash(grant.hash),
        Value::Flag(grant.kind == GrantKind::Code),
        Value::text(&grant.client_id),
        Value::number(grant.user.0),
        Value::Text(Some(grant.scopes_text())),
        Value::Flag(grant.is_seeded),
        Value::number(grant.created_at),
        Value::Number(grant.ended_at),
    ];
    let mut statements = vec![(put, values)];
    if grant.ended_at.is_some() {
        let end = "DELETE FROM access_tokens WHERE refresh_hash = $1";
        statements.push((end, vec![Value::hash(grant.hash)]));
    }
    statements
}

pub(crate) const ORGS: Query<Org> = Query {
    text: "SELECT id, name, environment, portal_limit FROM orgs
           WHERE removed_at IS NULL ORDER BY id",
    read: org,
};

pub(crate) const USERS: Query<User> = Query {
    text: "SELECT id, name, email, manage_portal, manage_portal_users FROM users
           WHERE org_id = $1 AND removed_at IS NULL ORDER BY id",
    read: |row| user(row, 0),
};

pub(crate) const CREDENTIALS: Query<Credential> = Query {
    text: "SELECT email, client_id, hash, scopes, ended_at
           FROM grants JOIN users ON users.id = user_id
           WHERE org_id = $1 AND NOT is_code ORDER BY user_id, client_id, hash",
    read: credential,
};

pub(crate) const PRINCIPAL: Query<Principal> = Query {
    text: "SELECT orgs.id, orgs.name, environment, portal_limit,
                  users.id, users.name, email, manage_portal, manage_portal_users,
                  scopes, expires_at, client_id
           FROM access_tokens
           JOIN grants ON grants.hash = refresh_hash
           JOIN users ON users.id = user_id
           JOIN orgs ON orgs.id = org_id
           WHERE access_tokens.hash = $1 AND expires_at > $2 AND ended_at IS NULL
                 AND users.removed_at IS NULL",
    read: principal,
};

pub(crate) const CLIENT_SECRET: Query<Hashed> =
    Query { text: "SELECT secret_hash FROM clients WHERE id = $1", read: |row| row.hash(0) };

pub(crate) const PORTALS: Query<Portal> =
    Query { text: select_portals!("WHERE portals.org_id = $1 ORDER BY portals.id"), read: portal };

pub(crate) const PORTAL: Query<Portal> =
    Query { text: select_portals!("WHERE portals.org_id = $1 AND name_key = $2"), read: portal };

/// Has a row if the org of a user has the only portal that it can have.
pub(crate) const ORG_IS_FULL: Query<()> = Query {
    text: "SELECT 1 FROM portals
           WHERE org_id = (SELECT org_id FROM users WHERE id = $1) AND limit_slot IS NOT NULL",
    read: |_| Ok(()),
};

/// The last entries, newest first. A create is ordered by its portal and shows the name from before
/// any rename.
pub(crate) const AUDIT: Query<AuditEntry> = Query {
    read: audit_entry,
    text: "
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
    ORDER BY place DESC, id DESC LIMIT $1",
};

/// Reads the first four columns.
fn org(row: &dyn Columns) -> Read<Org> {
    Ok(Org {
        id: OrgId(row.number(0)?),
        name: row.text(1)?.to_owned(),
        environment: word(row, 2)?,
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
fn user(row: &dyn Columns, first: usize) -> Read<User> {
    let allowed = [row.flag(first + 3)?, row.flag(first + 4)?];
    let permissions = Permission::ALL.into_iter().zip(allowed);
    Ok(User {
        id: UserId(row.number(first)?),
        name: row.text(first + 1)?.to_owned(),
        email: row.text(first + 2)?.to_owned(),
        permissions: permissions.filter(|(_, allowed)| *allowed).map(|(it, _)| it).collect(),
    })
}

fn scopes(row: &dyn Columns, column: usize) -> Read<Vec<Scope>> {
    let scopes = row.text(column)?.split(',');
    Ok(scopes.filter(|scope| !scope.is_empty()).map(Scope::new).collect())
}

fn credential(row: &dyn Columns) -> Read<Credential> {
    Ok(Credential {
        email: row.text(0)?.to_owned(),
        client_id: row.text(1)?.to_owned(),
        fingerprint: row.hash(2)?.fingerprint(),
        scopes: scopes(row, 3)?,
        revoked_at: row.optional_number(4)?.and_then(Timestamp::from_unix_seconds),
    })
}

fn principal(row: &dyn Columns) -> Read<Principal> {
    Ok(Principal {
        org: org(row)?,
        user: user(row, 4)?,
        scopes: scopes(row, 9)?,
        expires_at: timestamp(row, 10)?,
        client_id: row.text(11)?.to_owned(),
    })
}

pub(crate) fn portal(row: &dyn Columns) -> Read<Portal> {
    let user = |id: usize| -> Read<UserRef> {
        Ok(UserRef::new(row.text(id + 1)?, UserId(row.number(id)?).to_string()))
    };
    let mut portal = Portal::new(row.text(1)?);
    portal.zaid = Some(row.number(0)?.to_string());
    portal.active = Some(true);
    portal.created_time = Timestamp::from_unix_seconds(row.number(2)?);
    portal.created_by = Some(user(3)?);
    portal.modified_time = Timestamp::from_unix_seconds(row.number(5)?);
    portal.modified_by = Some(user(6)?);
    Ok(portal)
}

fn audit_entry(row: &dyn Columns) -> Read<AuditEntry> {
    Ok(AuditEntry {
        at: timestamp(row, 0)?,
        actor: row.text(1)?.to_owned(),
        action: word(row, 2)?,
        org: row.optional_text(3)?.map(ToOwned::to_owned),
        subject: row.text(4)?.to_owned(),
        detail: row.optional_text(5)?.map(ToOwned::to_owned),
    })
}

/// The value of an enum.
fn word<T: DeserializeOwned>(row: &dyn Columns, column: usize) -> Read<T> {
    let word: StrDeserializer<'_, value::Error> = row.text(column)?.into_deserializer();
    Ok(T::deserialize(word)?)
}

fn timestamp(row: &dyn Columns, column: usize) -> Read<Timestamp> {
    let seconds = row.number(column)?;
    Timestamp::from_unix_seconds(seconds)
        .ok_or_else(|| Damaged(format!("the time {seconds} is out of range")))
}
