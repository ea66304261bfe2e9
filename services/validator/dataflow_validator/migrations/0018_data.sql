-- How much is in quarantine, by sender and topic, without counting it: limits and the list of unrouted topics read this.

-- What a statement put into quarantine or took out, appended by triggers so that no two transactions wait for each other
-- here; whoever holds the upkeep lease folds it into quarantine_total. The truth at any moment is the sum of both.
CREATE TABLE validator.quarantine_change (
    kind text COLLATE "C" NOT NULL,
    contract text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL, -- of unrouted items; '' for the others
    items bigint NOT NULL,
    bytes bigint NOT NULL
);
-- Rows live for seconds here: the table stays small only when it is vacuumed often.
ALTER TABLE validator.quarantine_change
    SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_analyze_scale_factor = 0.5);

CREATE TABLE validator.quarantine_total (
    kind text COLLATE "C" NOT NULL,
    contract text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL,
    items bigint NOT NULL,
    bytes bigint NOT NULL
) WITH (fillfactor = 70);
-- Device ids and topics may be too long for one index entry together.
CREATE UNIQUE INDEX quarantine_total_key
    ON validator.quarantine_total (kind, contract, (md5(device_id)::uuid), (md5(topic)::uuid));

-- About what an item takes with its index entries; the same whenever it is asked, compressed or not.
CREATE FUNCTION validator.quarantine_bytes(payload bytea, reasons jsonb, topic text, device_id text) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (octet_length(payload) + octet_length(topic) + octet_length(device_id) + 300
        + CASE jsonb_typeof(reasons) WHEN 'array' THEN 150 * jsonb_array_length(reasons) ELSE 0 END)::bigint
$$;

CREATE FUNCTION validator.quarantine_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO validator.quarantine_change
        SELECT n.kind, n.contract, n.device_id, CASE n.kind WHEN 'UNROUTED' THEN n.topic ELSE '' END,
               count(*), sum(validator.quarantine_bytes(n.payload, n.reasons, n.topic, n.device_id))
        FROM new_items n GROUP BY 1, 2, 3, 4;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO validator.quarantine_change
        SELECT o.kind, o.contract, o.device_id, CASE o.kind WHEN 'UNROUTED' THEN o.topic ELSE '' END,
               -count(*), -sum(validator.quarantine_bytes(o.payload, o.reasons, o.topic, o.device_id))
        FROM old_items o GROUP BY 1, 2, 3, 4;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER quarantine_inserted AFTER INSERT ON validator.quarantine
    REFERENCING NEW TABLE AS new_items FOR EACH STATEMENT EXECUTE FUNCTION validator.quarantine_changed();
CREATE TRIGGER quarantine_updated AFTER UPDATE ON validator.quarantine
    REFERENCING OLD TABLE AS old_items NEW TABLE AS new_items
    FOR EACH STATEMENT EXECUTE FUNCTION validator.quarantine_changed();
CREATE TRIGGER quarantine_deleted AFTER DELETE ON validator.quarantine
    REFERENCING OLD TABLE AS old_items FOR EACH STATEMENT EXECUTE FUNCTION validator.quarantine_changed();

-- CREATE TRIGGER waited for the writers, and holds them off until this migration ends: nothing is counted twice.
INSERT INTO validator.quarantine_total (kind, contract, device_id, topic, items, bytes)
SELECT kind, contract, device_id, CASE kind WHEN 'UNROUTED' THEN topic ELSE '' END,
       count(*), sum(validator.quarantine_bytes(payload, reasons, topic, device_id))
FROM validator.quarantine GROUP BY 1, 2, 3, 4;

-- What the limits removed, by sender: nothing that was acknowledged goes without a trace.
CREATE TABLE validator.quarantine_removed (
    device_id text COLLATE "C" NOT NULL,
    cause text COLLATE "C" NOT NULL CHECK (cause IN ('AGE', 'SIZE', 'DEVICE')),
    items bigint NOT NULL,
    bytes bigint NOT NULL,
    first_time timestamptz NOT NULL,
    last_time timestamptz NOT NULL,
    PRIMARY KEY (device_id, cause)
);

-- First, last and newest item of a topic, by the index alone.
CREATE INDEX quarantine_unrouted_time ON validator.quarantine (topic, receive_time, quarantine_id) WHERE kind = 'UNROUTED';
DROP INDEX validator.quarantine_topic_unrouted;

GRANT SELECT ON validator.quarantine_total, validator.quarantine_removed TO dataflow_reader;
