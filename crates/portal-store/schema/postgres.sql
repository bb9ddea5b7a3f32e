-- Runs with `search_path` at the schema `portal`. Secrets are SHA-256 hashes, times are seconds
-- since 1970-01-01 00:00 UTC. What is unique is compared by bytes: an index in the order of a
-- language is damaged by an update of the system's idea of it.

CREATE TABLE format (version integer NOT NULL);
INSERT INTO format VALUES (1);

-- A removed org or user keeps its number and what it created; it has no credential that works.
CREATE TABLE orgs (
    id           bigint PRIMARY KEY,
    name         text COLLATE "C" NOT NULL UNIQUE,
    environment  text NOT NULL CHECK (environment IN ('production', 'sandbox', 'developer')),
    portal_limit bigint CHECK (portal_limit = 1), -- NULL: unlimited
    removed_at   bigint
);

CREATE TABLE users (
    id                  bigint PRIMARY KEY,
    org_id              bigint NOT NULL REFERENCES orgs (id),
    name                text NOT NULL,
    email               text COLLATE "C" NOT NULL,
    manage_portal       boolean NOT NULL,
    manage_portal_users boolean NOT NULL,
    removed_at          bigint,
    UNIQUE (org_id, email)
);

CREATE TABLE clients (
    id          text COLLATE "C" PRIMARY KEY,
    secret_hash bytea NOT NULL
);

-- Refresh tokens and codes.
CREATE TABLE grants (
    hash       bytea PRIMARY KEY,
    is_code    boolean NOT NULL,
    client_id  text COLLATE "C" NOT NULL REFERENCES clients (id),
    user_id    bigint NOT NULL REFERENCES users (id),
    scopes     text NOT NULL, -- separated by commas
    created_at bigint NOT NULL,
    ended_at   bigint, -- when it was revoked or used up
    -- Whether a seed gave it, not the exchange of a code: of the former, those that a later seed does
    -- not have are revoked when it replaces what is kept.
    is_seeded  boolean NOT NULL
);

CREATE INDEX grants_by_user ON grants (user_id);

CREATE TABLE access_tokens (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in the order of issue
    hash         bytea NOT NULL UNIQUE,
    refresh_hash bytea NOT NULL REFERENCES grants (hash),
    issued_at    bigint NOT NULL,
    expires_at   bigint -- NULL: ended before its time
);

CREATE INDEX access_tokens_by_refresh_token ON access_tokens (refresh_hash, issued_at);

-- The ids are a sequence's: one that a refused create drew is never used.
CREATE TABLE portals (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id      bigint NOT NULL CONSTRAINT portals_org REFERENCES orgs (id),
    limit_slot  bigint, -- the org's portal_limit
    name        text NOT NULL,
    name_key    text COLLATE "C" NOT NULL, -- the name in lower case
    created_at  bigint NOT NULL,
    created_by  bigint NOT NULL CONSTRAINT portals_creator REFERENCES users (id),
    modified_at bigint NOT NULL,
    modified_by bigint NOT NULL CONSTRAINT portals_modifier REFERENCES users (id)
);

-- From a random number on, so that no portal is taken for one of a database that was there before.
SELECT setval(pg_get_serial_sequence('portals', 'id'), 10000000000 + floor(random() * 80000000000)::bigint);

-- These two decide every race. NULLs are distinct: an org without a limit has any number.
CREATE UNIQUE INDEX portals_by_name ON portals (name_key);
CREATE UNIQUE INDEX portals_by_limit_slot ON portals (org_id, limit_slot);

CREATE INDEX portals_by_org ON portals (org_id, id);

-- Who changed what, and when. The creates are in `portals` already, with their user and time: the
-- log puts both together, so that a create writes no second row.
CREATE TABLE audit (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in the order of the changes
    at           bigint NOT NULL,
    after_portal bigint NOT NULL, -- the last portal created before: its place among the creates
    actor        text NOT NULL,   -- a user's e-mail address, an operator, or a seed
    action       text NOT NULL,
    org          text,            -- its name; NULL: of no single org
    subject      text NOT NULL,   -- what was changed, as people know it
    portal_id    bigint,          -- of a renamed portal
    detail       text             -- its old name; the new permissions, the scopes
);

CREATE INDEX audit_by_portal ON audit (portal_id) WHERE portal_id IS NOT NULL;
