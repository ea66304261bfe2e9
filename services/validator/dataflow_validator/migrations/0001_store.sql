-- What the validator keeps: catalogue, claim of batches, raw log, quarantine, ledger.
-- Text that is compared exactly has COLLATE "C": faster, and no locale decides what is equal.
-- The schema validator itself is made by the migrator, which keeps its own table there.

CREATE SCHEMA IF NOT EXISTS readings;

-- One row. Every change of a contract or route raises the version; each store transaction reads it.
CREATE TABLE validator.catalog (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    version bigint NOT NULL
);
INSERT INTO validator.catalog (version) VALUES (1);

CREATE TABLE validator.contract (
    name text COLLATE "C" PRIMARY KEY,
    active_revision integer NOT NULL DEFAULT 0,
    latest_revision integer NOT NULL,
    builtin boolean NOT NULL DEFAULT false,
    request_id text COLLATE "C" UNIQUE,
    create_time timestamptz NOT NULL DEFAULT now()
);

-- Immutable: a change of rules is a new row.
CREATE TABLE validator.revision (
    contract text COLLATE "C" NOT NULL REFERENCES validator.contract (name),
    revision integer NOT NULL,
    spec jsonb NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (contract, revision)
);

CREATE TABLE validator.route (
    route_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    filter text COLLATE "C" NOT NULL UNIQUE,
    contract text COLLATE "C" NOT NULL REFERENCES validator.contract (name),
    device_rule text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" UNIQUE,
    create_time timestamptz NOT NULL DEFAULT now()
);

-- The claim: whose insert succeeds, stores the batch. Unpartitioned, since a partitioned
-- table cannot promise that batch_id alone is unique (docs/adr/0004).
CREATE TABLE validator.batch (
    batch_id uuid PRIMARY KEY,
    bridge_id text COLLATE "C" NOT NULL,
    boot_id uuid NOT NULL,
    sequence bigint NOT NULL,
    message_count integer NOT NULL,
    commit_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX batch_commit_time ON validator.batch USING brin (commit_time);

-- The batch as it was on the ring, compressed; kept for raw_days.
CREATE TABLE validator.raw_log (
    batch_id uuid NOT NULL,
    commit_time timestamptz NOT NULL DEFAULT now(),
    bytes bytea NOT NULL
) PARTITION BY RANGE (commit_time);
ALTER TABLE validator.raw_log ALTER COLUMN bytes SET STORAGE EXTERNAL; -- zstd already
CREATE INDEX raw_log_batch_id ON validator.raw_log (batch_id);
CREATE TABLE validator.raw_log_default PARTITION OF validator.raw_log DEFAULT;

-- The proof: one row for each batch, written in the transaction that stores it.
CREATE TABLE validator.ledger (
    batch_id uuid NOT NULL,
    bridge_id text COLLATE "C" NOT NULL,
    boot_id uuid NOT NULL,
    sequence bigint NOT NULL,
    acknowledged_through bigint NOT NULL,
    node text COLLATE "C" NOT NULL,
    items integer NOT NULL,
    stored integer NOT NULL,
    duplicate integer NOT NULL,
    conflict integer NOT NULL,
    quarantined integer NOT NULL,
    parked integer NOT NULL,
    -- {"contract": {"stored" | "duplicate" | "conflict" | "quarantined": {"device": items}}}
    counts jsonb NOT NULL,
    commit_time timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (commit_time);
CREATE INDEX ledger_sequence ON validator.ledger (bridge_id, boot_id, sequence);
CREATE TABLE validator.ledger_default PARTITION OF validator.ledger DEFAULT;

CREATE TABLE validator.quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contract text COLLATE "C" NOT NULL,
    revision integer NOT NULL,
    kind text COLLATE "C" NOT NULL
        CHECK (kind IN ('REFUSED', 'UNPARSABLE', 'UNROUTED', 'UNSTORABLE', 'CONFLICT')),
    device_id text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL,
    payload bytea NOT NULL,
    element integer NOT NULL,
    reasons jsonb NOT NULL,
    receive_time timestamptz NOT NULL,
    event_time timestamptz,
    message_id uuid NOT NULL,
    -- Where message_id comes from: a identity, b sender, c payload, d bridge.
    id_kind "char" NOT NULL,
    content_hash bigint NOT NULL,
    batch_id uuid NOT NULL,
    position integer NOT NULL,
    quarantine_time timestamptz NOT NULL DEFAULT now()
);
-- Once: the same item, sent again, is not quarantined again. The content is part of the key, since two
-- refused items with one identity are two acknowledged items.
CREATE UNIQUE INDEX quarantine_once
    ON validator.quarantine (contract, message_id, element, content_hash);
CREATE INDEX quarantine_contract ON validator.quarantine (contract, kind, quarantine_id);
CREATE INDEX quarantine_device ON validator.quarantine (device_id, quarantine_id);
CREATE INDEX quarantine_topic_unrouted ON validator.quarantine (topic) WHERE kind = 'UNROUTED';

-- Recognises resends where the contract has no event-time field, within dedupe_window.
CREATE TABLE validator.seen (
    contract text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    message_id uuid NOT NULL,
    content_hash bigint NOT NULL,
    seen_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (contract, device_id, message_id)
);
CREATE INDEX seen_time ON validator.seen USING brin (seen_time);

-- Batches whose reader died while it worked on them alone.
CREATE TABLE validator.suspect (
    batch_id uuid PRIMARY KEY,
    lone_deaths integer NOT NULL,
    update_time timestamptz NOT NULL DEFAULT now()
);

-- Batches that killed every reader, or came back too late: kept whole, judged by nobody until somebody asks.
CREATE TABLE validator.parked (
    batch_id uuid PRIMARY KEY,
    node text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    bytes bytea NOT NULL,
    park_time timestamptz NOT NULL DEFAULT now()
);

-- Who may read, and nothing else: insight's queries run as this role.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'dataflow_reader') THEN
        CREATE ROLE dataflow_reader NOLOGIN;
    END IF;
END
$$;
GRANT USAGE ON SCHEMA readings, validator TO dataflow_reader;
GRANT SELECT ON validator.contract, validator.revision, validator.route, validator.quarantine, validator.ledger, validator.batch
    TO dataflow_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA readings GRANT SELECT ON TABLES TO dataflow_reader;
