-- The ledger is folded into minutes and checked for what is missing; parked batches know which sequence they are.

-- As `dataflow_mesh.lease.table_sql` has it: one validator at a time folds, checks and cleans up.
CREATE TABLE validator.lease (
    name text PRIMARY KEY,
    holder text NOT NULL,
    epoch bigint NOT NULL,
    expires_at timestamptz NOT NULL
);

-- The fold's cursor reads only below the oldest running transaction, so that rows that commit late are not missed.
-- The default is stable, not volatile: rows that are there get one value, and no table is rewritten.
ALTER TABLE validator.ledger ADD COLUMN stored_xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX ledger_stored ON validator.ledger (stored_xid, batch_id);

-- What of a parked batch's header could be read; message_count is -1 where none of it could, null where nobody looked.
ALTER TABLE validator.parked
    ADD COLUMN bridge_id text COLLATE "C",
    ADD COLUMN boot_id uuid,
    ADD COLUMN sequence bigint,
    ADD COLUMN message_count integer,
    ADD COLUMN retries integer NOT NULL DEFAULT 0,
    ADD COLUMN retry_time timestamptz;
CREATE INDEX parked_sequence ON validator.parked (boot_id, sequence);

-- Counts by minute of the commit, contract and device. Past a number of devices in one minute the others are counted
-- under device '': the table's size follows time and contracts, not the size of the fleet.
CREATE TABLE validator.ledger_minute (
    minute timestamptz NOT NULL,
    bridge_id text COLLATE "C" NOT NULL,
    contract text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    stored bigint NOT NULL,
    duplicate bigint NOT NULL,
    conflict bigint NOT NULL,
    quarantined bigint NOT NULL,
    parked bigint NOT NULL,
    PRIMARY KEY (minute, bridge_id, contract, device_id)
) PARTITION BY RANGE (minute);
CREATE TABLE validator.ledger_minute_default PARTITION OF validator.ledger_minute DEFAULT;

-- One row: the last ledger row that is in ledger_minute. `begin_xid` tells rows from before this column apart.
CREATE TABLE validator.ledger_fold (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    xid xid8 NOT NULL,
    batch_id uuid NOT NULL,
    begin_xid xid8 NOT NULL
);
INSERT INTO validator.ledger_fold (xid, batch_id, begin_xid)
VALUES ('0', '00000000-0000-0000-0000-000000000000', pg_current_xact_id());

-- One row for each life of a bridge. Up to complete_through every acknowledged sequence is in the ledger, or is a row of
-- ledger_open: nobody needs to look there again.
CREATE TABLE validator.ledger_boot (
    bridge_id text COLLATE "C" NOT NULL,
    boot_id uuid NOT NULL,
    complete_through bigint NOT NULL DEFAULT 0,
    acknowledged_through bigint NOT NULL DEFAULT 0,
    last_sequence bigint NOT NULL DEFAULT 0,
    update_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bridge_id, boot_id)
);
-- Whose first rows retention may have dropped is not asked about them.
INSERT INTO validator.ledger_boot (bridge_id, boot_id, complete_through)
SELECT bridge_id, boot_id, min(sequence) - 1
FROM validator.ledger
GROUP BY bridge_id, boot_id
HAVING min(sequence) > 1 AND min(commit_time) < now() - interval '1 day';

-- Acknowledged, not in the ledger, and not for a moment only: MISSING is a loss.
CREATE TABLE validator.ledger_open (
    bridge_id text COLLATE "C" NOT NULL,
    boot_id uuid NOT NULL,
    sequence bigint NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('IN_RING', 'PARKED', 'UNREACHABLE', 'MISSING')),
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bridge_id, boot_id, sequence)
);

GRANT SELECT ON validator.ledger_minute, validator.ledger_boot, validator.ledger_open TO dataflow_reader;
