-- name: lock_table
-- One maker of partitions or columns per table at a time; the waiting ones hold nothing else.
SELECT pg_advisory_xact_lock(hashtextextended('dataflow partitions of ' || $1, 0));

-- name: parent
-- The table, its DEFAULT partition and how many bounded partitions it has. No row: no such table.
SELECT t.oid AS oid,
       d.relname AS default_name,
       (SELECT count(*) FROM pg_inherits i WHERE i.inhparent = t.oid AND i.inhrelid <> p.partdefid) AS partitions
FROM pg_class t
JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_partitioned_table p ON p.partrelid = t.oid
LEFT JOIN pg_class d ON d.oid = p.partdefid
WHERE n.nspname = $1 AND t.relname = $2;

-- name: partition_names
-- The bounded partitions of a table, in the order of their names.
SELECT c.relname AS name
FROM pg_inherits i
JOIN pg_class t ON t.oid = i.inhparent
JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_partitioned_table p ON p.partrelid = t.oid
JOIN pg_class c ON c.oid = i.inhrelid
WHERE n.nspname = $1 AND t.relname = $2 AND c.oid <> p.partdefid
ORDER BY 1;

-- name: today
-- The day by the database's clock, UTC.
SELECT (now() AT TIME ZONE 'UTC')::date;
