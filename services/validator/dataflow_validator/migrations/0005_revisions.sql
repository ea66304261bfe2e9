-- Contracts get revisions that follow each other, options beside them, and a history that can be watched.
-- Columns with constant defaults rewrite no table; what an older validator writes meanwhile takes them.

ALTER TABLE validator.contract
    ADD COLUMN compatibility text COLLATE "C" NOT NULL DEFAULT 'BACKWARD' CHECK (compatibility IN
        ('NONE', 'BACKWARD', 'FORWARD', 'FULL', 'BACKWARD_TRANSITIVE', 'FORWARD_TRANSITIVE', 'FULL_TRANSITIVE')),
    ADD COLUMN redrive text COLLATE "C" NOT NULL DEFAULT 'ASK' CHECK (redrive IN ('OFF', 'ASK', 'ON')),
    -- Days of event time that rows and rollups are kept; null: for ever.
    ADD COLUMN readings_days integer CHECK (readings_days > 0),
    ADD COLUMN rollup_days integer CHECK (rollup_days > 0),
    ADD COLUMN description text NOT NULL DEFAULT '',
    -- Counts every change of the row; the etag is made of it and of create_time.
    ADD COLUMN changes bigint NOT NULL DEFAULT 1,
    ADD COLUMN update_time timestamptz NOT NULL DEFAULT now();

-- A revision outlives its contract, as the rows that it judged do: when the name is made again, the numbers go on.
ALTER TABLE validator.revision DROP CONSTRAINT revision_contract_fkey;
ALTER TABLE validator.revision
    ADD COLUMN created_by text NOT NULL DEFAULT '',
    ADD COLUMN request_id text COLLATE "C" UNIQUE,
    ADD COLUMN request_digest bytea;

ALTER TABLE validator.route
    ADD COLUMN pinned_revision integer,
    ADD CONSTRAINT route_pinned_revision FOREIGN KEY (contract, pinned_revision)
        REFERENCES validator.revision (contract, revision);

-- The columns of readings."<contract>" that fields of any revision have: none is ever dropped or retyped.
CREATE TABLE validator.contract_column (
    contract text COLLATE "C" NOT NULL,
    column_name text COLLATE "C" NOT NULL,
    sql_type text COLLATE "C" NOT NULL,
    -- Of the newest revision that has the field.
    field text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    unit text NOT NULL,
    description text NOT NULL,
    -- The first one and the newest one with the field.
    first_revision integer NOT NULL,
    last_revision integer NOT NULL,
    PRIMARY KEY (contract, column_name)
);

-- Every change of a contract, in the order of the commits: whoever changes one holds validator.catalog.
ALTER TABLE validator.catalog ADD COLUMN sequence bigint NOT NULL DEFAULT 0;
CREATE TABLE validator.contract_change (
    sequence bigint PRIMARY KEY,
    contract text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('CREATED', 'REVISED', 'ACTIVATED', 'UPDATED', 'DELETED')),
    revision integer NOT NULL,
    actor text NOT NULL,
    -- Whoever judges by this version of the catalogue, or a later one, judges by the change.
    catalog_version bigint NOT NULL,
    change_time timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT ON validator.contract_column, validator.contract_change TO dataflow_reader;
