-- name: actual
-- The columns of a contract's table as they are; none where there is no such table.
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS sql_type
FROM pg_attribute a
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;

-- name: slots
-- Dropped columns count, too: Postgres has room for 1,600 in a table's life.
SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0;

-- name: holders
-- Who has a lock on the table or on one of its partitions, the longest transaction first. Without the right to see other
-- users' sessions their times are null. Locks and sessions are not read at one moment: whose transaction has ended meanwhile is
-- left out. Read without locking anything itself.
SELECT l.pid AS pid,
       coalesce(nullif(a.application_name, ''), a.backend_type, 'a prepared transaction') AS name,
       extract(epoch FROM clock_timestamp() - a.xact_start)::double precision AS seconds,
       coalesce(a.state LIKE 'idle in transaction%', false) AS idle
FROM pg_locks l
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.pid IS DISTINCT FROM pg_backend_pid()
    AND (a.state IS NULL OR a.xact_start IS NOT NULL)
    AND (l.relation = to_regclass($1)
         OR l.relation IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass($1)))
GROUP BY 1, 2, 3, 4
ORDER BY seconds DESC NULLS FIRST;

-- name: known
SELECT column_name, sql_type, field, type, unit, description FROM validator.contract_column
WHERE contract = $1 ORDER BY first_revision, column_name;

-- name: note
-- What a column is: its type never changes, what the field says of itself is the newest revision's.
INSERT INTO validator.contract_column
    (contract, column_name, sql_type, field, type, unit, description, first_revision, last_revision)
SELECT $1, name, sql_type, field, type, unit, description, $2, $2
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
    AS given (name, sql_type, field, type, unit, description)
ON CONFLICT (contract, column_name) DO UPDATE
SET field = excluded.field, type = excluded.type, unit = excluded.unit, description = excluded.description,
    last_revision = excluded.last_revision;

-- name: without_columns
-- Contracts from before this was noted; each has one revision.
SELECT r.contract AS contract, r.revision AS revision, r.spec::text AS spec
FROM validator.revision r
WHERE NOT EXISTS (SELECT FROM validator.contract_column c WHERE c.contract = r.contract)
    AND jsonb_array_length(r.spec -> 'fields') > 0;
