-- name: insert_marks
INSERT INTO validator.rollup_mark (contract, hour, devices)
SELECT contract, date_trunc('hour', hour), devices::text[]
FROM unnest($1::text[], $2::timestamptz[], $3::text[]) AS m (contract, hour, devices);

-- name: columns
-- The fields of all revisions. $1: the contract's table, quoted; $2: the columns that every reading has.
SELECT attname AS name, format_type(atttypid, NULL) AS sql_type
FROM pg_attribute
WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND attname <> ALL ($2::text[])
ORDER BY attnum;

-- name: contracts_without
-- Contracts that are not rolled up yet.
SELECT c.name FROM validator.contract c
WHERE NOT EXISTS (SELECT FROM validator.rollup r WHERE r.contract = c.name)
  AND to_regclass('readings.' || quote_ident(c.name)) IS NOT NULL
ORDER BY c.name;

-- name: lock
SELECT pg_advisory_xact_lock(hashtextextended('dataflow rollup ' || $1, 0));

-- name: begin
INSERT INTO validator.rollup (contract) VALUES ($1) ON CONFLICT (contract) DO NOTHING RETURNING true;

-- name: partitions_with_default
SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass($1);

-- name: horizon
SELECT nullif(rows_from, '-infinity') AS rows_from, nullif(rollups_from, '-infinity') AS rollups_from
FROM validator.rollup WHERE contract = $1;

-- name: due_hours
-- What is worth being recomputed now, by contract and day, the longest waiting first: hours that were quiet for $1
-- seconds, and hours that are over and have waited for $2 seconds, however busy late data keep them.
WITH hours AS (
    SELECT contract, hour, min(mark_time) AS oldest, max(mark_time) AS newest
    FROM validator.rollup_mark GROUP BY contract, hour
)
SELECT contract, date_trunc('day', hour) AS day, array_agg(hour ORDER BY hour) AS hours
FROM hours
WHERE newest < now() - make_interval(secs => $1)
   OR (oldest < now() - make_interval(secs => $2) AND hour + interval '1 hour' < now() - make_interval(secs => $1))
GROUP BY 1, 2 ORDER BY min(oldest) LIMIT 1000;

-- name: try_lock
-- A session's locks, taken before the snapshot of the transaction: the contract's shared with other workers, against
-- retention; the day's for us alone.
SELECT pg_try_advisory_lock_shared(hashtextextended('dataflow rollups of ' || $1, 0)) AS contract,
       pg_try_advisory_lock(hashtextextended('dataflow rollup of ' || $1 || ' ' || $2::timestamptz::text, 0)) AS day;

-- name: unlock
SELECT pg_advisory_unlock_all();

-- name: marked_hours
-- The marks of some hours: how many, and whether all devices are meant.
SELECT hour, count(*) AS marks, bool_or(devices IS NULL) AS everybody, min(mark_time) AS oldest
FROM validator.rollup_mark WHERE contract = $1 AND hour = ANY ($2::timestamptz[])
GROUP BY hour ORDER BY hour;

-- name: marked_devices
SELECT DISTINCT hour, device_id
FROM validator.rollup_mark CROSS JOIN unnest(devices) AS d (device_id)
WHERE contract = $1 AND hour = ANY ($2::timestamptz[]) ORDER BY hour, device_id;

-- name: delete_marks
-- In a repeatable-read transaction: those that it sees, and no later one.
DELETE FROM validator.rollup_mark WHERE contract = $1 AND hour = ANY ($2::timestamptz[]);

-- name: insert_marks_since
-- What is left over of marks keeps their age.
INSERT INTO validator.rollup_mark (contract, hour, devices, mark_time)
SELECT $1, hour, devices::text[], mark_time
FROM unnest($2::timestamptz[], $3::text[], $4::timestamptz[]) AS m (hour, devices, mark_time);

-- name: waiting
-- Hours that wait, and for how many seconds the first of them has.
SELECT count(DISTINCT (contract, hour)) AS hours, extract(epoch FROM now() - min(mark_time))::double precision AS seconds
FROM validator.rollup_mark;

-- name: dirty_hours
-- The marked hours from $2 on, before $3; many marks count as all devices.
SELECT hour, bool_or(devices IS NULL) OR count(*) > 200 AS everybody
FROM validator.rollup_mark
WHERE contract = $1 AND hour > $2::timestamptz - interval '1 hour' AND hour < $3
GROUP BY hour;

-- name: dirty_devices
-- The marked devices of some hours, of those in $3 only if it is not null.
SELECT hour, array_agg(DISTINCT d.device_id) AS devices
FROM validator.rollup_mark CROSS JOIN unnest(devices) AS d (device_id)
WHERE contract = $1 AND hour = ANY ($2::timestamptz[]) AND ($3::text[] IS NULL OR d.device_id = ANY ($3))
GROUP BY hour;

-- name: try_lock_contract
-- No worker is at work on the contract until the end of the transaction.
SELECT pg_try_advisory_xact_lock(hashtextextended('dataflow rollups of ' || $1, 0));

-- name: marked_before
SELECT EXISTS (SELECT FROM validator.rollup_mark WHERE contract = $1 AND hour < $2);

-- name: marked_days_before
SELECT date_trunc('day', hour) AS day, array_agg(DISTINCT hour ORDER BY hour) AS hours
FROM validator.rollup_mark WHERE contract = $1 AND hour < $2 GROUP BY 1 ORDER BY 1;

-- name: closed_months
-- Of each contract, before what its readings and rollups were closed.
SELECT contract, nullif(rows_from, '-infinity') AS rows_from, nullif(rollups_from, '-infinity') AS rollups_from
FROM validator.rollup WHERE rows_from > '-infinity' OR rollups_from > '-infinity' ORDER BY contract;

-- name: old_months
-- Contracts with readings or rollups to close: the month that holds the last day that is kept is kept whole.
SELECT r.contract, o.rows, o.rollups
FROM validator.rollup r
JOIN validator.contract c ON c.name = r.contract
CROSS JOIN LATERAL (
    SELECT nullif(greatest(date_trunc('month', now() - make_interval(days => c.readings_days)), r.rows_from), r.rows_from) AS rows,
           nullif(greatest(date_trunc('month', now() - make_interval(days => c.rollup_days)), r.rollups_from), r.rollups_from) AS rollups
) o
WHERE o.rows IS NOT NULL OR o.rollups IS NOT NULL
ORDER BY r.contract;

-- name: close_rows
UPDATE validator.rollup SET rows_from = greatest(rows_from, $2) WHERE contract = $1;

-- name: close_rollups
UPDATE validator.rollup SET rollups_from = greatest(rollups_from, $2) WHERE contract = $1;

-- name: try_lock_merge
SELECT pg_try_advisory_xact_lock(hashtextextended('dataflow merge of rollup marks', 0));

-- name: merge_marks
-- Hours with more than $1 marks are taken as a whole anyway: one mark is enough for them.
WITH crowded AS (
    SELECT contract, hour FROM validator.rollup_mark GROUP BY contract, hour HAVING count(*) > $1
), gone AS (
    DELETE FROM validator.rollup_mark m USING crowded c WHERE m.contract = c.contract AND m.hour = c.hour
    RETURNING m.contract, m.hour, m.mark_time
)
INSERT INTO validator.rollup_mark (contract, hour, mark_time)
SELECT contract, hour, min(mark_time) FROM gone GROUP BY contract, hour;
