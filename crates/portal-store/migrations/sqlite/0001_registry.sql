-- Secrets are SHA-256 hashes, times are seconds since 1970-01-01 00:00 UTC.

CREATE TABLE orgs (
    id           INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    environment  TEXT NOT NULL CHECK (environment IN ('production', 'sandbox', 'developer')),
    portal_limit INTEGER CHECK (portal_limit = 1) -- NULL: unlimited
) STRICT;

CREATE TABLE users (
    id                  INTEGER PRIMARY KEY,
    org_id              INTEGER NOT NULL REFERENCES orgs (id),
    name                TEXT NOT NULL,
    email               TEXT NOT NULL,
    manage_portal       INTEGER NOT NULL CHECK (manage_portal IN (0, 1)),
    manage_portal_users INTEGER NOT NULL CHECK (manage_portal_users IN (0, 1)),
    UNIQUE (org_id, email)
) STRICT;

CREATE TABLE clients (
    id          TEXT PRIMARY KEY,
    secret_hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE codes (
    hash       BLOB PRIMARY KEY,
    client_id  TEXT NOT NULL REFERENCES clients (id),
    user_id    INTEGER NOT NULL REFERENCES users (id),
    scopes     TEXT NOT NULL, -- separated by commas
    created_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE refresh_tokens (
    hash       BLOB PRIMARY KEY,
    client_id  TEXT NOT NULL REFERENCES clients (id),
    user_id    INTEGER NOT NULL REFERENCES users (id),
    scopes     TEXT NOT NULL, -- separated by commas
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE access_tokens (
    id           INTEGER PRIMARY KEY, -- in the order of issue
    hash         BLOB NOT NULL UNIQUE,
    refresh_hash BLOB NOT NULL REFERENCES refresh_tokens (hash),
    issued_at    INTEGER NOT NULL,
    expires_at   INTEGER -- NULL: ended before its time
) STRICT;

CREATE INDEX access_tokens_by_refresh_token ON access_tokens (refresh_hash, issued_at);

CREATE TABLE portals (
    id          INTEGER PRIMARY KEY, -- in the order of creation
    org_id      INTEGER NOT NULL REFERENCES orgs (id),
    limit_slot  INTEGER, -- the org's portal_limit
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL, -- the name in lower case
    created_at  INTEGER NOT NULL,
    created_by  INTEGER NOT NULL REFERENCES users (id),
    modified_at INTEGER NOT NULL,
    modified_by INTEGER NOT NULL REFERENCES users (id)
) STRICT;

-- These two decide every race. NULLs are distinct: an org without a limit has any number.
CREATE UNIQUE INDEX portals_by_name ON portals (name_key);
CREATE UNIQUE INDEX portals_by_limit_slot ON portals (org_id, limit_slot);

CREATE INDEX portals_by_org ON portals (org_id, id);
