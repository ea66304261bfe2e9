-- Rollups: what the rows of an hour or day amount to, per device and field, in tables that the worker makes for each
-- contract when it first sees it: rollup."<contract>:hour" and rollup."<contract>:day".

CREATE SCHEMA rollup;
GRANT USAGE ON SCHEMA rollup TO dataflow_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA rollup GRANT SELECT ON TABLES TO dataflow_reader;

-- Hours whose rows were changed since they were rolled up. Nothing is unique here and nothing is updated: transactions
-- that touch the same hour never wait for one another (docs/adr/0020-rollup-marks.md).
CREATE TABLE validator.rollup_mark (
    mark_id bigint GENERATED ALWAYS AS IDENTITY,
    contract text COLLATE "C" NOT NULL,
    hour timestamptz NOT NULL,
    devices text[], -- null: all devices
    mark_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX rollup_mark_hour ON validator.rollup_mark (contract, hour);
-- Rows live for seconds here: the table stays small only when it is vacuumed often.
ALTER TABLE validator.rollup_mark
    SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_analyze_scale_factor = 0.5);

-- One row for each contract that is rolled up. Before rows_from the readings were removed by retention, and the rollups are
-- what is left of them; before rollups_from the rollups were removed.
CREATE TABLE validator.rollup (
    contract text COLLATE "C" PRIMARY KEY,
    rows_from timestamptz NOT NULL DEFAULT '-infinity',
    rollups_from timestamptz NOT NULL DEFAULT '-infinity',
    begin_time timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT ON validator.rollup_mark, validator.rollup TO dataflow_reader;
