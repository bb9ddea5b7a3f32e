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

-- A removed org or user keeps its number and what it created; it has no credential that works.
ALTER TABLE orgs ADD COLUMN removed_at INTEGER;
ALTER TABLE users ADD COLUMN removed_at INTEGER;
