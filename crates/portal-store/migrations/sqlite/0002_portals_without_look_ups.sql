-- Portals as they are inserted at the least cost: the statement that inserts one reads its org and
-- user anyway, so no foreign key looks them up again; only orgs with a limit are in its index; and
-- an index ends with the row's id by itself.

CREATE TABLE portals_of_version_2 (
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

INSERT INTO portals_of_version_2
SELECT id, org_id, limit_slot, name, name_key, created_at, created_by, modified_at, modified_by
FROM portals ORDER BY id;

DROP TABLE portals;
ALTER TABLE portals_of_version_2 RENAME TO portals;

-- These two decide every race.
CREATE UNIQUE INDEX portals_by_name ON portals (name_key);
CREATE UNIQUE INDEX portals_by_limit_slot ON portals (org_id, limit_slot)
WHERE limit_slot NOTNULL;

CREATE INDEX portals_by_org ON portals (org_id);
