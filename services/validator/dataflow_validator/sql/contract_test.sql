-- name: log_start
SELECT min(commit_time) FROM validator.raw_log WHERE commit_time >= $1;

-- name: log_bounds
-- Commit times that cut the raw log from $1 on into $2 pieces of as many batches; the last one is where it ends now.
SELECT array_agg(DISTINCT moment ORDER BY moment)
FROM (
    SELECT unnest(percentile_disc((SELECT array_agg(n::double precision / $2) FROM generate_series(1, $2) AS n))
               WITHIN GROUP (ORDER BY commit_time)) AS moment
    FROM validator.raw_log WHERE commit_time >= $1
) pieces
WHERE moment IS NOT NULL;

-- name: log_size
SELECT count(*) AS batches, coalesce(sum(message_count), 0)::bigint AS messages
FROM validator.batch WHERE commit_time >= $1;

-- name: log_page
-- Whole transactions after $1 up to $2: about $3 batches. Their ids in 32 bits, and below which id all had ended.
SELECT r.commit_time, r.xmin::text::bigint AS xid, r.bytes, pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS now_xid
FROM validator.raw_log r
WHERE r.commit_time > $1 AND r.commit_time <= coalesce(
    (SELECT max(commit_time) FROM (
        SELECT commit_time FROM validator.raw_log WHERE commit_time > $1 AND commit_time <= $2
        ORDER BY commit_time, batch_id LIMIT $3) page), $2)
ORDER BY r.commit_time, r.batch_id;

-- name: oldest_transaction
-- All transactions below have ended.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint;

-- name: newest_item
SELECT coalesce(max(quarantine_id), 0) FROM validator.quarantine;
