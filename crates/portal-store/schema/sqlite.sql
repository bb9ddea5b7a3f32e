-- Secrets are SHA-256 hashes, times are seconds since 1970-01-01 00:00 UTC.

-- "Port": what tells a registry from another program's database.
PRAGMA application_id = 0x506f7274;
PRAGMA user_version = 1;

-- Which registry this is and how many changes it has had: the commits here and the portals. The state
-- file beside the database has the sum, so that a start with less than there was is found out.
CREATE TABLE history (
    registry BLOB NOT NULL,
    commits  INTEGER NOT NULL -- those that created no portal
) STRICT;

INSERT INTO history VALUES (randomblob(16), 0);

-- A removed org or user keeps its number and what it created; it has no credential that works.
CREATE TABLE orgs (
    id           INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    environment  TEXT NOT NULL CHECK (environment IN ('production', 'sandbox', 'developer')),
    portal_limit INTEGER CHECK (portal_limit = 1), -- NULL: unlimited
    removed_at   INTEGER
) STRICT;

CREATE TABLE users (
    id                  INTEGER PRIMARY KEY,
    org_id              INTEGER NOT NULL REFERENCES orgs (id),
    name                TEXT NOT NULL,
    email               TEXT NOT NULL,
    manage_portal       INTEGER NOT NULL CHECK (manage_portal IN (0, 1)),
    manage_portal_users INTEGER NOT NULL CHECK (manage_portal_users IN (0, 1)),
    removed_at          INTEGER,
    UNIQUE (org_id, email)
) STRICT;

CREATE TABLE clients (
    id          TEXT PRIMARY KEY,
    secret_hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Refresh tokens and codes.
CREATE TABLE grants (
    hash       BLOB PRIMARY KEY,
    is_code    INTEGER NOT NULL CHECK (is_code IN (0, 1)),
    client_id  TEXT NOT NULL REFERENCES clients (id),
    user_id    INTEGER NOT NULL REFERENCES users (id),
    scopes     TEXT NOT NULL, -- separated by commas
    created_at INTEGER NOT NULL,
    ended_at   INTEGER, -- when it was revoked or used up
    -- Whether a seed gave it, not the exchange of a code: of the former, those that a later seed does
    -- not have are revoked when it replaces what is kept.
    is_seeded  INTEGER NOT NULL CHECK (is_seeded IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE INDEX grants_by_user ON grants (user_id);

CREATE TABLE access_tokens (
    id           INTEGER PRIMARY KEY, -- in the order of issue
    hash         BLOB NOT NULL UNIQUE,
    refresh_hash BLOB NOT NULL REFERENCES grants (hash),
    issued_at    INTEGER NOT NULL,
    expires_at   INTEGER -- NULL: ended before its time
) STRICT;

CREATE INDEX access_tokens_by_refresh_token ON access_tokens (refresh_hash, issued_at);

-- Portals are inserted at the least cost: the statement that inserts one reads its org and user
-- anyway, so no foreign key looks them up again; only orgs with a limit are in its index; and an
-- index ends with the row's id by itself.
CREATE TABLE portals (
    id          INTEGER PRIMARY KEY, -- in the order of creation
    org_id      INTEGER NOT NULL,
    limit_slot  INTEGER, -- the org's portal_limit
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL, -- the name in lower case
    created_at  INTEGER NOT NULL,
    created_by  INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    modified_by INTEGER NOT NULL
) STRICT;

-- These two decide every race.
CREATE UNIQUE INDEX portals_by_name ON portals (name_key);
CREATE UNIQUE INDEX portals_by_limit_slot ON portals (org_id, limit_slot)
WHERE limit_slot NOTNULL;

CREATE INDEX portals_by_org ON portals (org_id);

-- Who changed what, and when. The creates are in `portals` already, with their user and time: the
-- log puts both together, so that a create writes no second row.
CREATE TABLE audit (
    id           INTEGER PRIMARY KEY, -- in the order of the changes
    at           INTEGER NOT NULL,
    after_portal INTEGER NOT NULL, -- the last portal created before: its place among the creates
    actor        TEXT NOT NULL,    -- a user's e-mail address, an operator, or a seed
    action       TEXT NOT NULL,
    org          TEXT,             -- its name; NULL: of no single org
    subject      TEXT NOT NULL,    -- what was changed, as people know it
    portal_id    INTEGER,          -- of a renamed portal
    detail       TEXT              -- its old name; the new permissions, the scopes
) STRICT;

CREATE INDEX audit_by_portal ON audit (portal_id) WHERE portal_id NOTNULL;
