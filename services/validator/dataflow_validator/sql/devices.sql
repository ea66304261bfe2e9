-- name: tables
-- The partitioned tables of a schema; "readings" has those of deleted contracts as well.
SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind = 'p' ORDER BY c.relname;

-- name: last_logged
SELECT batch_id FROM validator.raw_log ORDER BY batch_id DESC LIMIT 1;

-- name: logged_batches
-- The next $3 batches of the raw log by id, behind $1 and up to $2, and what the ledger counted of device $4 in each: null
-- where the ledger does not know the batch any more.
SELECT r.batch_id, r.commit_time, r.bytes, l.items
FROM (SELECT batch_id, commit_time, bytes FROM validator.raw_log WHERE batch_id > $1 AND batch_id <= $2 ORDER BY batch_id LIMIT $3) r
LEFT JOIN validator.batch b ON b.batch_id = r.batch_id
LEFT JOIN LATERAL (
    SELECT sum((SELECT coalesce(sum((o.value ->> $4)::bigint), 0)
                FROM jsonb_each(l.counts) c, jsonb_each(c.value) o WHERE o.value ? $4))::bigint AS items
    FROM validator.ledger l
    WHERE l.bridge_id = b.bridge_id AND l.boot_id = b.boot_id AND l.sequence = b.sequence AND l.batch_id = b.batch_id
) l ON true
ORDER BY r.batch_id;

-- name: replace_logged
UPDATE validator.raw_log SET bytes = $3 WHERE batch_id = $1 AND commit_time = $2;

-- name: parked_batches
SELECT batch_id, bytes FROM validator.parked WHERE batch_id > $1 ORDER BY batch_id LIMIT $2;

-- name: replace_parked
-- Not if somebody retried it meanwhile.
UPDATE validator.parked SET bytes = $3 WHERE batch_id = $1 AND bytes = $2;

-- name: count_quarantine
SELECT count(*) FROM validator.quarantine WHERE device_id = $1;

-- name: remove_quarantine
-- At most $2 items of device $1.
WITH gone AS (
    DELETE FROM validator.quarantine WHERE quarantine_id = ANY (ARRAY(
        SELECT quarantine_id FROM validator.quarantine WHERE device_id = $1 LIMIT $2))
    RETURNING contract, stored_xid
), counted AS (
    INSERT INTO validator.ledger_change (origin_xid, contract, stored, quarantined)
    SELECT stored_xid, contract, 0, -count(*) FROM gone GROUP BY 1, 2
)
SELECT count(*) FROM gone;

-- name: remove_removed
DELETE FROM validator.quarantine_removed WHERE device_id = $1;

-- name: count_seen
SELECT count(*) FROM validator.seen WHERE contract = $1 AND device_id = $2;

-- name: remove_seen
WITH gone AS (
    DELETE FROM validator.seen WHERE contract = $1 AND device_id = $2 AND message_id = ANY (ARRAY(
        SELECT message_id FROM validator.seen WHERE contract = $1 AND device_id = $2 LIMIT $3))
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: remove_rows
-- Rows of device $1 in a contract's table, up to the event time $2; the ledger's counts stay true.
WITH gone AS (
    DELETE FROM {table} WHERE device_id = $1 AND event_time <= $2 RETURNING event_time, stored_xid
), counted AS (
    INSERT INTO validator.ledger_change (origin_xid, contract, stored, quarantined)
    SELECT stored_xid, $3, -count(*), 0 FROM gone GROUP BY 1
)
SELECT count(*) AS items, array_agg(DISTINCT date_trunc('hour', event_time, 'UTC')) AS hours FROM gone;

-- name: last_of_rows
-- The event time of the $2-th row of device $1, or of its last one.
SELECT max(event_time) FROM (SELECT event_time FROM {table} WHERE device_id = $1 ORDER BY event_time LIMIT $2) r;

-- name: last_of_rollups
SELECT max(start) FROM (SELECT start FROM {table} WHERE device_id = $1 ORDER BY start LIMIT $2) r;

-- name: remove_rollups
WITH gone AS (DELETE FROM {table} WHERE device_id = $1 AND start <= $2 RETURNING 1) SELECT count(*) FROM gone;

-- name: ledger_end
SELECT pg_snapshot_xmin(pg_current_snapshot())::text;

-- name: unname_ledger
-- In the next $4 rows behind ($2, $3) whose transactions are below $5, items of device $1 are counted under no name.
WITH page AS MATERIALIZED (
    SELECT stored_xid, batch_id, counts FROM validator.ledger
    WHERE (stored_xid, batch_id) > ($2::text::xid8, $3::uuid) AND stored_xid < $5::text::xid8
    ORDER BY stored_xid, batch_id LIMIT $4
), named AS (
    SELECT stored_xid, batch_id FROM page
    WHERE EXISTS (SELECT FROM jsonb_each(counts) c, jsonb_each(c.value) o WHERE o.value ? $1)
), changed AS (
    UPDATE validator.ledger l SET counts = (
        SELECT jsonb_object_agg(c.key, (
            SELECT jsonb_object_agg(o.key, CASE WHEN o.value ? $1
                THEN (o.value - $1) || jsonb_build_object('',
                    coalesce((o.value ->> '')::bigint, 0) + (o.value ->> $1)::bigint)
                ELSE o.value END)
            FROM jsonb_each(c.value) o))
        FROM jsonb_each(l.counts) c)
    FROM named n WHERE $6 AND l.stored_xid = n.stored_xid AND l.batch_id = n.batch_id
)
SELECT (SELECT count(*) FROM named) AS items, count(*) AS seen,
       (SELECT stored_xid::text FROM page ORDER BY page.stored_xid DESC, batch_id DESC LIMIT 1) AS last_xid,
       (SELECT batch_id FROM page ORDER BY page.stored_xid DESC, batch_id DESC LIMIT 1) AS last_batch
FROM page;

-- name: first_minute
SELECT date_trunc('day', min(minute), 'UTC') FROM validator.ledger_minute;

-- name: count_minutes
SELECT count(*) FROM validator.ledger_minute WHERE device_id = $1;

-- name: unname_minutes
-- Of the day that begins with $2.
WITH gone AS (
    DELETE FROM validator.ledger_minute
    WHERE minute >= $2::timestamptz AND minute < $2::timestamptz + interval '1 day' AND device_id = $1 RETURNING *
), added AS (
    INSERT INTO validator.ledger_minute AS m
        (minute, bridge_id, contract, device_id, stored, duplicate, conflict, quarantined, parked)
    SELECT minute, bridge_id, contract, '', stored, duplicate, conflict, quarantined, parked FROM gone
    ORDER BY minute, bridge_id, contract
    ON CONFLICT (minute, bridge_id, contract, device_id) DO UPDATE SET
        stored = m.stored + excluded.stored, duplicate = m.duplicate + excluded.duplicate,
        conflict = m.conflict + excluded.conflict, quarantined = m.quarantined + excluded.quarantined,
        parked = m.parked + excluded.parked
)
SELECT count(*) FROM gone;

-- name: rows_after
-- Rows of device $1 as JSON, behind ($2, $3) by event time and id.
SELECT event_time, message_id, row_to_json(r)::text AS line FROM {table} r
WHERE device_id = $1 AND (event_time, message_id) > ($2::timestamptz, $3::uuid)
ORDER BY event_time, message_id LIMIT $4;

-- name: quarantine_after
SELECT {columns} FROM validator.quarantine q
WHERE q.device_id = $1 AND q.quarantine_id > $2
ORDER BY q.quarantine_id LIMIT $3;

-- name: unknown_after
-- Items of no known device behind $1 by id.
SELECT {columns} FROM validator.quarantine q
WHERE q.device_id = '' AND q.quarantine_id > $1 ORDER BY q.quarantine_id LIMIT $2;

-- name: remove_items
WITH gone AS (
    DELETE FROM validator.quarantine WHERE quarantine_id = ANY ($1::bigint[]) RETURNING contract, stored_xid
), counted AS (
    INSERT INTO validator.ledger_change (origin_xid, contract, stored, quarantined)
    SELECT stored_xid, contract, 0, -count(*) FROM gone GROUP BY 1, 2
)
SELECT count(*) FROM gone;

-- name: empty_elements
-- Of arrays that several devices share: what is left of them, and what the ids of that are made from.
UPDATE validator.quarantine q SET payload = n.payload, message_sha1 = n.message_sha1
FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS n (quarantine_id, payload, message_sha1)
WHERE q.quarantine_id = n.quarantine_id;
