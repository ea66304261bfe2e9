-- What it takes to judge a quarantined item again as if for the first time, and a ledger that stays true when history heals.
-- Defaults that are stable, not volatile: rows that are there get one value, and no table is rewritten.

ALTER TABLE validator.quarantine
    -- What the sender was authenticated as, and its own id of the message; null where there was none (or, before this
    -- column, where nobody knows).
    ADD COLUMN source_device_id text COLLATE "C",
    ADD COLUMN sender_id text COLLATE "C",
    -- As the bridge said of the message.
    ADD COLUMN maybe_duplicate boolean NOT NULL DEFAULT false,
    -- The payload is one element of an array message; with the SHA-1 of the whole, of which its id may be made.
    ADD COLUMN is_element boolean NOT NULL DEFAULT false,
    ADD COLUMN message_sha1 bytea,
    -- The transaction whose ledger rows count it.
    ADD COLUMN stored_xid xid8 NOT NULL DEFAULT pg_current_xact_id();

-- What was changed after it was counted: rows that replay, backfill, purge, retention and deletion added or took away.
-- Added to the ledger's rows of `origin_xid`, the counts are again what the tables hold of that transaction.
CREATE TABLE validator.ledger_change (
    stored_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    change_time timestamptz NOT NULL DEFAULT now(),
    -- The transaction that stored or quarantined them: this one itself, where they are new.
    origin_xid xid8 NOT NULL,
    contract text COLLATE "C" NOT NULL,
    stored bigint NOT NULL,
    quarantined bigint NOT NULL
);
CREATE INDEX ledger_change_origin ON validator.ledger_change (origin_xid);
CREATE INDEX ledger_change_time ON validator.ledger_change USING brin (change_time);

GRANT SELECT ON validator.ledger_change TO dataflow_reader;

-- Recounts begin with what came after these columns: nobody knows which transaction older items belong to.
UPDATE validator.ledger_fold SET begin_xid = pg_current_xact_id();
