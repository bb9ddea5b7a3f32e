-- Runs with `search_path` at the schema `portal`. Secrets are SHA-256 hashes, times are seconds
-- since 1970-01-01 00:00 UTC. What is unique is compared by bytes: an index in the order of a
-- language is damaged by an update of the system's idea of it.

CREATE TABLE orgs (
    id           bigint PRIMARY KEY,
    name         text COLLATE "C" NOT NULL UNIQUE,
    environment  text NOT NULL CHECK (environment IN ('production', 'sandbox', 'developer')),
    portal_limit bigint CHECK (portal_limit = 1) -- NULL: unlimited
);

CREATE TABLE users (
    id                  bigint PRIMARY KEY,
    org_id              bigint NOT NULL REFERENCES orgs (id),
    name                text NOT NULL,
    email               text COLLATE "C" NOT NULL,
    manage_portal       boolean NOT NULL,
    manage_portal_users boolean NOT NULL,
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
    revoked_at bigint
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
    id          bigint GENERATED ALWAYS AS IDENTITY (START WITH 10000001) PRIMARY KEY,
    org_id      bigint NOT NULL CONSTRAINT portals_org REFERENCES orgs (id),
    limit_slot  bigint, -- the org's portal_limit
    name        text NOT NULL,
    name_key    text COLLATE "C" NOT NULL, -- the name in lower case
    created_at  bigint NOT NULL,
    created_by  bigint NOT NULL CONSTRAINT portals_creator REFERENCES users (id),
    modified_at bigint NOT NULL,
    modified_by bigint NOT NULL CONSTRAINT portals_modifier REFERENCES users (id)
);

-- These two decide every race. NULLs are distinct: an org without a limit has any number.
CREATE UNIQUE INDEX portals_by_name ON portals (name_key);
CREATE UNIQUE INDEX portals_by_limit_slot ON portals (org_id, limit_slot);

CREATE INDEX portals_by_org ON portals (org_id, id);

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
    most_alive     bigint
) RETURNS text
LANGUAGE plpgsql AS $$
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

    -- What neither is alive nor counts for a limit is forgotten.
    DELETE FROM access_tokens
    WHERE refresh_hash = parent AND issued_at <= at_second - window_seconds
          AND (expires_at IS NULL OR expires_at <= at_second);
    INSERT INTO access_tokens (hash, refresh_hash, issued_at, expires_at)
    VALUES (new_token, parent, at_second, at_second + token_seconds);
    RETURN 'granted';
END
$$;
