-- Which registry this is and how many commits it has had. The state file beside the database has
-- the same, so that a start with less than there was is found out.

CREATE TABLE history (
    registry BLOB NOT NULL,
    commits  INTEGER NOT NULL
) STRICT;

INSERT INTO history VALUES (randomblob(16), 0);

-- "Port": what tells a registry from another program's database.
PRAGMA application_id = 0x506f7274;

-- Whether a seed gave the token, not the exchange of a code: of the former, those that a later seed
-- does not have are revoked when it replaces what is kept.
ALTER TABLE refresh_tokens ADD COLUMN is_seeded INTEGER NOT NULL DEFAULT 0
CHECK (is_seeded IN (0, 1));
