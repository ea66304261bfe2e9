-- name: turn
-- One step at a time judges history again, whichever job it belongs to: what it found is still so when it writes.
SELECT pg_advisory_xact_lock(hashtextextended('dataflow_validator.rejudge', 0));

-- name: catalog_version
SELECT version FROM validator.catalog;

-- name: fence
-- Writers that are at work now are done when `oldest` has come to `fence`.
SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS fence;

-- name: oldest
SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::text::xid8;

-- name: lock_entries
-- Those that are still there; in order, against deadlocks.
SELECT quarantine_id FROM validator.quarantine WHERE quarantine_id = ANY ($1::bigint[]) ORDER BY quarantine_id FOR UPDATE;

-- name: taken
-- Keys of quarantined items that have one of the given ids, with the same content, as whatever element.
SELECT DISTINCT q.contract, q.message_id, q.element, q.content_hash
FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS k (contract, message_id, content_hash)
JOIN validator.quarantine q
    ON q.contract = k.contract AND q.message_id = k.message_id AND q.content_hash = k.content_hash;

-- name: remember_seen
-- In key order, against deadlocks.
INSERT INTO validator.seen (contract, device_id, message_id, content_hash)
SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[])
ON CONFLICT (contract, device_id, message_id) DO UPDATE SET content_hash = excluded.content_hash, seen_time = now();

-- name: forget_seen
DELETE FROM validator.seen s
USING unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[]) AS k (contract, device_id, message_id, content_hash)
WHERE s.contract = k.contract AND s.device_id = k.device_id AND s.message_id = k.message_id
  AND s.content_hash = k.content_hash;

-- name: remove_entries
DELETE FROM validator.quarantine WHERE quarantine_id = ANY ($1::bigint[]);

-- name: change_entries
-- Where they came from stays as it is: bytes, message, transaction.
UPDATE validator.quarantine q
SET contract = k.contract, revision = k.revision, kind = k.kind, device_id = k.device_id, reasons = k.reasons,
    event_time = k.event_time, message_id = k.message_id, id_kind = k.id_kind, content_hash = k.content_hash
FROM unnest($1::bigint[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::jsonb[],
            $7::timestamptz[], $8::uuid[], $9::"char"[], $10::bigint[])
    AS k (quarantine_id, contract, revision, kind, device_id, reasons, event_time, message_id, id_kind, content_hash)
WHERE q.quarantine_id = k.quarantine_id;

-- name: change_ledger
-- An empty transaction is this one.
INSERT INTO validator.ledger_change (origin_xid, contract, stored, quarantined)
SELECT coalesce(nullif(xid, '')::xid8, pg_current_xact_id()), contract, stored, quarantined
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS k (xid, contract, stored, quarantined);

-- name: foreseen
SELECT key, content_hash, revision FROM validator.rejudge_foreseen WHERE job_id = $1 AND key = ANY ($2::uuid[]);

-- name: foresee
INSERT INTO validator.rejudge_foreseen (job_id, key, content_hash, revision)
SELECT $1, * FROM unnest($2::uuid[], $3::bigint[], $4::integer[])
ON CONFLICT (job_id, key) DO UPDATE SET content_hash = excluded.content_hash, revision = excluded.revision;

-- name: forget_foreseen
DELETE FROM validator.rejudge_foreseen WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM validator.rejudge_foreseen WHERE job_id = $1 LIMIT $2));

-- name: newest_entry
SELECT coalesce(max(quarantine_id), 0) FROM validator.quarantine;

-- name: table_columns
SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute
WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped;

-- name: logged_batches
-- Behind ($1, $2) in commit order, up to the transactions that began before $3.
SELECT commit_time, batch_id, bytes FROM validator.raw_log
WHERE (commit_time, batch_id) > ($1, $2) AND commit_time <= $3
ORDER BY commit_time, batch_id LIMIT $4;

-- name: count_logged
-- Messages of the batches that are in the log.
SELECT coalesce(sum(message_count), 0) FROM validator.batch
WHERE commit_time >= $1 AND commit_time <= $2 AND commit_time >= (SELECT min(commit_time) FROM validator.raw_log);

-- name: first_logged
SELECT min(commit_time) FROM validator.raw_log;

-- name: purge
WITH gone AS (
    DELETE FROM validator.quarantine WHERE quarantine_id = ANY ($1::bigint[]) RETURNING contract, stored_xid
), counted AS (
    INSERT INTO validator.ledger_change (origin_xid, contract, stored, quarantined)
    SELECT stored_xid, contract, 0, -count(*) FROM gone GROUP BY 1, 2
)
SELECT count(*) FROM gone;

-- name: contest
INSERT INTO validator.rejudge_contested (job_id, quarantine_id, contract)
SELECT $1, * FROM unnest($2::bigint[], $3::text[]) ON CONFLICT DO NOTHING;

-- name: contested_contracts
SELECT DISTINCT contract FROM validator.rejudge_contested WHERE job_id = $1 ORDER BY contract;

-- name: settle_contested
DELETE FROM validator.rejudge_contested WHERE job_id = $1 AND quarantine_id = ANY ($2::bigint[]);

-- name: forget_contested
DELETE FROM validator.rejudge_contested WHERE job_id = $1;
