-- In one transaction, and by one process at a time; the transaction that found no schema has failed.
ROLLBACK;
BEGIN READ WRITE;
SET LOCAL statement_timeout = '5s';
SELECT pg_advisory_xact_lock(5786936184172241004);
CREATE SCHEMA IF NOT EXISTS portal_ledger;
CREATE TABLE IF NOT EXISTS portal_ledger.origins (origin text PRIMARY KEY);
CREATE TABLE IF NOT EXISTS portal_ledger.entries (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    origin text NOT NULL REFERENCES portal_ledger.origins,
    org text,
    credential text NOT NULL,
    key text,
    names text[] NOT NULL,
    reach smallint NOT NULL,
    entry text NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_by_org ON portal_ledger.entries (origin, org, reach, position);
CREATE INDEX IF NOT EXISTS entries_by_credential
    ON portal_ledger.entries (origin, credential, reach, position);
CREATE INDEX IF NOT EXISTS entries_by_key ON portal_ledger.entries (key);
CREATE INDEX IF NOT EXISTS entries_by_name ON portal_ledger.entries USING gin (names);
CREATE INDEX IF NOT EXISTS unsettled_entries ON portal_ledger.entries (origin) WHERE reach = 3;
CREATE TABLE IF NOT EXISTS portal_ledger.format AS SELECT 1 AS format;
COMMIT;
