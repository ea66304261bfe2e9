-- name: fold_changes
-- Adds up to $1 changes to the totals; a change is gone in the transaction that counted it.
WITH gone AS (
    DELETE FROM validator.quarantine_change WHERE ctid = ANY (ARRAY(SELECT ctid FROM validator.quarantine_change LIMIT $1))
    RETURNING *
), summed AS (
    SELECT kind, contract, device_id, topic, sum(items)::bigint AS items, sum(bytes)::bigint AS bytes
    FROM gone GROUP BY 1, 2, 3, 4
), added AS (
    INSERT INTO validator.quarantine_total AS t (kind, contract, device_id, topic, items, bytes)
    SELECT * FROM summed
    ON CONFLICT (kind, contract, (md5(device_id)::uuid), (md5(topic)::uuid))
    DO UPDATE SET items = t.items + excluded.items, bytes = t.bytes + excluded.bytes
)
SELECT count(*) FROM gone;

-- name: forget_empty
DELETE FROM validator.quarantine_total WHERE items = 0 AND bytes = 0;

-- name: total
SELECT coalesce(sum(items), 0)::bigint AS items, coalesce(sum(bytes), 0)::bigint AS bytes FROM (
    SELECT items, bytes FROM validator.quarantine_total UNION ALL SELECT items, bytes FROM validator.quarantine_change) both_;

-- name: is_oldest_over
-- Whether the oldest item was quarantined more than $1 days ago.
SELECT quarantine_time < now() - make_interval(days => $1) FROM validator.quarantine ORDER BY quarantine_id LIMIT 1;

-- name: over_limit
-- Senders with more than $1 items, and how many more. Who has no device id is told apart by topic or contract, so that one
-- stranger does not push out the others.
SELECT device_id, CASE device_id WHEN '' THEN contract END AS contract, CASE device_id WHEN '' THEN topic END AS topic,
       sum(items)::bigint - $1::bigint AS excess
FROM (SELECT contract, device_id, topic, items FROM validator.quarantine_total
      UNION ALL SELECT contract, device_id, topic, items FROM validator.quarantine_change) both_
GROUP BY 1, 2, 3
HAVING sum(items) > $1::bigint
ORDER BY excess DESC
LIMIT 1000;

-- name: remove_of_device
-- The $2 oldest items of device $1.
WITH gone AS (
    DELETE FROM validator.quarantine WHERE quarantine_id = ANY (ARRAY(
        SELECT quarantine_id FROM validator.quarantine WHERE device_id = $1 ORDER BY quarantine_id LIMIT $2))
    RETURNING device_id, contract, stored_xid, receive_time,
              validator.quarantine_bytes(payload, reasons, topic, device_id) AS bytes
){told};

-- name: remove_of_unknown
-- The $3 oldest items of contract $1 without a device id; unrouted ones of topic $2, where it is not ''.
WITH gone AS (
    DELETE FROM validator.quarantine WHERE quarantine_id = ANY (ARRAY(
        SELECT quarantine_id FROM validator.quarantine
        WHERE device_id = '' AND contract = $1 AND ($2 = '' OR (kind = 'UNROUTED' AND topic = $2))
        ORDER BY quarantine_id LIMIT $3))
    RETURNING device_id, contract, stored_xid, receive_time,
              validator.quarantine_bytes(payload, reasons, topic, device_id) AS bytes
){told};

-- name: remove_oldest
-- Of the $1 oldest items those that were quarantined more than $2 days ago; null for all of them.
WITH gone AS (
    DELETE FROM validator.quarantine WHERE quarantine_id = ANY (ARRAY(
        SELECT quarantine_id FROM (SELECT quarantine_id, quarantine_time FROM validator.quarantine ORDER BY quarantine_id LIMIT $1) q
        WHERE $2::integer IS NULL OR quarantine_time < now() - make_interval(days => $2)))
    RETURNING device_id, contract, stored_xid, receive_time,
              validator.quarantine_bytes(payload, reasons, topic, device_id) AS bytes
){told};

-- name: told
-- What ends each statement that removes: the ledger's counts stay true, and it is remembered whose items are gone.
, counted AS (
    INSERT INTO validator.ledger_change (origin_xid, contract, stored, quarantined)
    SELECT stored_xid, contract, 0, -count(*) FROM gone GROUP BY 1, 2
), remembered AS (
    INSERT INTO validator.quarantine_removed AS r (device_id, cause, items, bytes, first_time, last_time)
    SELECT device_id, {cause}, count(*), sum(bytes)::bigint, now(), now() FROM gone GROUP BY 1 ORDER BY 1
    ON CONFLICT (device_id, cause) DO UPDATE SET
        items = r.items + excluded.items, bytes = r.bytes + excluded.bytes, last_time = excluded.last_time
)
SELECT count(*) AS items, coalesce(sum(bytes), 0)::bigint AS bytes FROM gone;

-- name: forget_removed
DELETE FROM validator.quarantine_removed WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM validator.quarantine_removed WHERE last_time < now() - interval '90 days' LIMIT $1));
