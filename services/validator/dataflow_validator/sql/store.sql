-- name: claim_batches
-- Decides which batches this transaction stores (the others are stored already), and keeps their bytes.
-- In key order, against deadlocks.
WITH claimed AS (
    INSERT INTO validator.batch (batch_id, bridge_id, boot_id, sequence, message_count)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::bigint[], $5::integer[])
    ON CONFLICT (batch_id) DO NOTHING
    RETURNING batch_id
), logged AS (
    INSERT INTO validator.raw_log (batch_id, bytes)
    SELECT batch_id, bytes FROM unnest($1::uuid[], $6::bytea[]) AS given (batch_id, bytes) JOIN claimed USING (batch_id)
)
SELECT batch_id, (SELECT version FROM validator.catalog) AS catalog_version FROM claimed;

-- name: append_ledger
INSERT INTO validator.ledger
    (batch_id, bridge_id, boot_id, sequence, acknowledged_through, node,
     items, stored, duplicate, conflict, quarantined, parked, counts)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[], $6::text[],
                     $7::integer[], $8::integer[], $9::integer[], $10::integer[], $11::integer[], $12::integer[],
                     $13::jsonb[]);

-- name: insert_seen
-- In key order, against deadlocks.
INSERT INTO validator.seen (contract, device_id, message_id, content_hash)
SELECT $1, * FROM unnest($2::text[], $3::uuid[], $4::bigint[])
ON CONFLICT (contract, device_id, message_id) DO NOTHING
RETURNING device_id, message_id;

-- name: find_seen
SELECT s.device_id, s.message_id, s.content_hash
FROM unnest($2::text[], $3::uuid[]) AS k (device_id, message_id)
JOIN validator.seen s ON s.contract = $1 AND s.device_id = k.device_id AND s.message_id = k.message_id;

-- name: insert_quarantine
-- Those that are returned are new; the others were quarantined before. Inserted in the order given, which is key order
-- against deadlocks; numbered by $21, their places in the order of arrival, by which a replay takes them up.
WITH numbers AS MATERIALIZED (
    SELECT array_agg(nextval('validator.quarantine_quarantine_id_seq')) AS ids FROM generate_series(1, cardinality($21::integer[]))
)
INSERT INTO validator.quarantine
    (contract, revision, kind, device_id, topic, payload, element, reasons,
     receive_time, event_time, message_id, id_kind, content_hash, batch_id, position,
     source_device_id, sender_id, maybe_duplicate, is_element, message_sha1, quarantine_id)
OVERRIDING SYSTEM VALUE
SELECT c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18, c19, c20, numbers.ids[place]
FROM numbers, unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::integer[], $8::jsonb[],
                     $9::timestamptz[], $10::timestamptz[], $11::uuid[], $12::"char"[], $13::bigint[], $14::uuid[], $15::integer[],
                     $16::text[], $17::text[], $18::boolean[], $19::boolean[], $20::bytea[], $21::integer[])
    AS given (c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18, c19, c20, place)
ON CONFLICT (contract, message_id, element, content_hash) DO NOTHING
RETURNING contract, message_id, element, content_hash;

-- name: find_committed
SELECT batch_id FROM validator.batch WHERE batch_id = ANY($1::uuid[])
UNION ALL
SELECT batch_id FROM validator.parked WHERE batch_id = ANY($1::uuid[]);

-- name: note_suspects
-- Those that are returned are suspected for the first time.
INSERT INTO validator.suspect (batch_id, lone_deaths)
SELECT batch_id, 0 FROM unnest($1::uuid[]) AS given (batch_id) ORDER BY batch_id
ON CONFLICT (batch_id) DO NOTHING
RETURNING batch_id;

-- name: begin_lone_try
-- Counts a death in advance; a reader that survives takes it back.
INSERT INTO validator.suspect (batch_id, lone_deaths) VALUES ($1, 1)
ON CONFLICT (batch_id) DO UPDATE SET lone_deaths = suspect.lone_deaths + 1, update_time = now()
RETURNING lone_deaths - 1;

-- name: end_lone_try
UPDATE validator.suspect SET lone_deaths = lone_deaths - 1, update_time = now() WHERE batch_id = $1;

-- name: forget_suspects
DELETE FROM validator.suspect WHERE batch_id = ANY($1::uuid[]);

-- name: park_batch
-- Accounted for in the ledger from now on, where the header could be read ($5 to $9; $8 is -1 where not).
WITH parked AS (
    INSERT INTO validator.parked (batch_id, node, reason, bytes, bridge_id, boot_id, sequence, message_count)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (batch_id) DO NOTHING
    RETURNING batch_id, node, bridge_id, boot_id, sequence, message_count
)
INSERT INTO validator.ledger
    (batch_id, bridge_id, boot_id, sequence, acknowledged_through, node,
     items, stored, duplicate, conflict, quarantined, parked, counts)
SELECT batch_id, bridge_id, boot_id, sequence, $9, node, message_count, 0, 0, 0, 0, message_count, '{}'
FROM parked WHERE boot_id IS NOT NULL;

-- name: unpark_batches
-- In the transaction that stores them; the ledger's rows of the parking are balanced by those that come now.
DELETE FROM validator.parked WHERE batch_id = ANY ($1::uuid[]) RETURNING batch_id, greatest(message_count, 0) AS messages;
