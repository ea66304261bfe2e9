-- name: groups
-- By root cause, most items first. Elements of arrays count as one field.
WITH chosen AS MATERIALIZED (
    SELECT i.contract, i.revision, i.kind, coalesce(i.reasons -> 0 ->> 'rule', '') AS rule,
           coalesce(i.reasons -> 0 ->> 'path', '') AS path, i.device_id, i.receive_time, i.quarantine_id
    FROM ({items}) i
), grouped AS (
    SELECT contract, revision, kind, rule, regexp_replace(path, '/\d+(?=/|$)', '/*', 'g') AS path, count(*) AS items,
           count(DISTINCT device_id) AS devices, min(receive_time) AS first_time, max(receive_time) AS last_time,
           max(quarantine_id) AS newest
    FROM chosen GROUP BY 1, 2, 3, 4, 5
)
SELECT *, sum(items) OVER ()::bigint AS summarized FROM grouped
ORDER BY items DESC, contract, revision, kind, rule, path LIMIT {groups};

-- name: removed
SELECT device_id, cause, items, bytes, first_time, last_time FROM validator.quarantine_removed
ORDER BY last_time DESC, items DESC, device_id, cause LIMIT $1;
