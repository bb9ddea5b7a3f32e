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
    entry text NOT NULL
);
CREATE TABLE IF NOT EXISTS portal_ledger.terms (
    term text NOT NULL,
    position bigint NOT NULL REFERENCES portal_ledger.entries,
    PRIMARY KEY (term, position)
);
CREATE INDEX IF NOT EXISTS terms_of_entry ON portal_ledger.terms (position);
CREATE TABLE IF NOT EXISTS portal_ledger.format AS SELECT 1 AS format;
COMMIT;
