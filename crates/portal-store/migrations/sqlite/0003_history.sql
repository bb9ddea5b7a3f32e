-- Which registry this is and how many commits it has had. The state file beside the database has
-- the same, so that a start with less than there was is found out.

CREATE TABLE history (
    registry BLOB NOT NULL,
    commits  INTEGER NOT NULL
) STRICT;

INSERT INTO history VALUES (randomblob(16), 0);

-- "Port": what tells a registry from another program's database.
PRAGMA application_id = 0x506f7274;
