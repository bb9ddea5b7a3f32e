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

CREATE TABLE codes (
    hash       bytea PRIMARY KEY,
    client_id  text COLLATE "C" NOT NULL REFERENCES clients (id),
    user_id    bigint NOT NULL REFERENCES users (id),
    scopes     text NOT NULL, -- separated by commas
    created_at bigint NOT NULL,
    used_at    bigint
);

CREATE TABLE refresh_tokens (
    hash       bytea PRIMARY KEY,
    client_id  text COLLATE "C" NOT NULL REFERENCES clients (id),
    user_id    bigint NOT NULL REFERENCES users (id),
    scopes     text NOT NULL, -- separated by commas
    revoked_at bigint,
    -- Whether a seed gave the token, not the exchange of a code: of the former, those that a later
    -- seed does not have are revoked when it replaces what is kept.
    is_seeded  boolean NOT NULL DEFAULT false
);

CREATE TABLE access_tokens (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in the order of issue
    hash         bytea NOT NULL UNIQUE,
    refresh_hash bytea NOT NULL REFERENCES refresh_tokens (hash),
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

-- Issues an access token: 'granted', 'invalid' or 'throttled'. A function, because the limits
-- count what the row lock on the refresh token has let through, and each statement of a function
-- sees what was committed before it began; one statement alone sees what was committed before it
-- waited for the lock.
CREATE FUNCTION grant_access_token(
    of_client      text,
    parent         bytea, -- the refresh token, new where a code is exchanged
    given_code     bytea, -- NULL: the refresh token was given
    new_token      bytea,
    at_second      bigint,
    code_seconds   bigint,
    token_seconds  bigint,
    window_seconds bigint,
    with_limits    boolean,
    most_in_window bigint,
    most_alive     bigint,
    most_of_user   bigint
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    beyond bytea[];
BEGIN
    IF given_code IS NULL THEN
        PERFORM FROM refresh_tokens
        WHERE hash = parent AND client_id = of_client AND revoked_at IS NULL
        FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RETURN 'invalid';
        END IF;
    ELSE
        UPDATE codes SET used_at = at_second
        WHERE hash = given_code AND client_id = of_client AND used_at IS NULL
              AND created_at > at_second - code_seconds;
        IF NOT FOUND THEN
            RETURN 'invalid';
        END IF;
        INSERT INTO refresh_tokens (hash, client_id, user_id, scopes)
        SELECT parent, client_id, user_id, scopes FROM codes WHERE hash = given_code;
        INSERT INTO audit (at, after_portal, actor, action, org, subject, detail)
        SELECT at_second, (SELECT coalesce(max(id), 0) FROM portals), email, 'code_exchanged',
               orgs.name, client_id || ' ' || left(encode(parent, 'hex'), 12), scopes
        FROM codes JOIN users ON users.id = user_id JOIN orgs ON orgs.id = org_id
        WHERE hash = given_code;
    END IF;

    IF with_limits THEN
        IF (SELECT count(*) FROM access_tokens
            WHERE refresh_hash = parent AND issued_at > at_second - window_seconds)
           >= most_in_window
        THEN
            RETURN 'throttled';
        END IF;
        -- Makes room for one more among those alive.
        UPDATE access_tokens SET expires_at = NULL
        WHERE id IN (SELECT id FROM access_tokens
                     WHERE refresh_hash = parent AND expires_at > at_second
                     ORDER BY id DESC OFFSET most_alive - 1);
    END IF;

    IF with_limits AND given_code IS NOT NULL THEN
        -- The log has the order of refresh tokens, but not of those that a seed gave: the oldest.
        beyond := ARRAY(
            SELECT hash FROM refresh_tokens AS token
            WHERE revoked_at IS NULL
                  AND user_id = (SELECT user_id FROM refresh_tokens WHERE hash = parent)
            ORDER BY (SELECT max(id) FROM audit
                      WHERE action = 'code_exchanged'
                            AND subject = token.client_id || ' ' || left(encode(token.hash, 'hex'), 12)
                     ) DESC NULLS LAST
            OFFSET most_of_user);
        UPDATE refresh_tokens SET revoked_at = at_second WHERE hash = ANY (beyond);
        INSERT INTO audit (at, after_portal, actor, action, org, subject, detail)
        SELECT at_second, (SELECT coalesce(max(id), 0) FROM portals), email, 'credential_revoked',
               orgs.name, client_id || ' ' || left(encode(hash, 'hex'), 12), scopes
        FROM refresh_tokens JOIN users ON users.id = user_id JOIN orgs ON orgs.id = org_id
        WHERE hash = ANY (beyond);
        DELETE FROM access_tokens WHERE refresh_hash = ANY (beyond);
    END IF;

    -- What neither is alive nor counts for a limit is forgotten.
    DELETE FROM access_tokens
    WHERE refresh_hash = parent AND issued_at <= at_second - window_seconds
          AND (expires_at IS NULL OR expires_at <= at_second);
    INSERT INTO access_tokens (hash, refresh_hash, issued_at, expires_at)
    VALUES (new_token, parent, at_second, at_second + token_seconds);
    RETURN 'granted';
END
$$;
