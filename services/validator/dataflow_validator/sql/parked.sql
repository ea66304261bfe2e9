-- name: list
SELECT batch_id, node, reason, park_time, bridge_id, boot_id, sequence, message_count, retries, retry_time,
       octet_length(bytes) AS size
FROM validator.parked
WHERE ($1::uuid IS NULL OR batch_id > $1)
ORDER BY batch_id
LIMIT $2;

-- name: get
SELECT batch_id, node, reason, park_time, bridge_id, boot_id, sequence, message_count, retries, retry_time, bytes,
       octet_length(bytes) AS size
FROM validator.parked
WHERE batch_id = $1;

-- name: next
-- The first one after $1 (of $2, if that is given), with its bytes.
SELECT batch_id, node, reason, park_time, bridge_id, boot_id, sequence, message_count, retries, retry_time, bytes,
       octet_length(bytes) AS size
FROM validator.parked
WHERE batch_id > $1 AND ($2::uuid[] IS NULL OR batch_id = ANY ($2))
ORDER BY batch_id
LIMIT 1;

-- name: still_parked
UPDATE validator.parked SET reason = $2, retries = retries + 1, retry_time = now() WHERE batch_id = $1;

-- name: unidentified
SELECT batch_id, bytes FROM validator.parked WHERE message_count IS NULL LIMIT $1;

-- name: identify
-- Batches that were parked before the header was kept get their row in the ledger, too.
WITH identified AS (
    UPDATE validator.parked SET bridge_id = $2, boot_id = $3, sequence = $4, message_count = $5
    WHERE batch_id = $1 AND message_count IS NULL
    RETURNING batch_id, bridge_id, boot_id, sequence, node, message_count
)
INSERT INTO validator.ledger
    (batch_id, bridge_id, boot_id, sequence, acknowledged_through, node,
     items, stored, duplicate, conflict, quarantined, parked, counts)
SELECT batch_id, bridge_id, boot_id, sequence, $6, node, message_count, 0, 0, 0, 0, message_count, '{}'
FROM identified WHERE boot_id IS NOT NULL;
