-- name: fold
-- Adds the next $1 ledger rows to their minutes, at most $2 devices of each minute, bridge and contract by name.
-- Exactly once: the cursor moves in the same transaction.
WITH position AS MATERIALIZED (
    SELECT xid, batch_id FROM validator.ledger_fold FOR UPDATE
), taken AS MATERIALIZED (
    SELECT stored_xid, batch_id, bridge_id, boot_id, sequence, acknowledged_through, parked, counts,
           date_trunc('minute', commit_time, 'UTC') AS minute
    FROM validator.ledger
    WHERE (stored_xid, batch_id) > ((SELECT xid FROM position), (SELECT batch_id FROM position))
      AND stored_xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY stored_xid, batch_id
    LIMIT $1
), counted AS (
    SELECT minute, bridge_id, c.key AS contract, d.key AS device_id, o.key AS outcome, d.value::bigint AS items
    FROM taken, jsonb_each(counts) c, jsonb_each(c.value) o, jsonb_each_text(o.value) d
    UNION ALL
    SELECT minute, bridge_id, '', '', 'parked', parked FROM taken WHERE parked <> 0
), summed AS MATERIALIZED (
    SELECT minute, bridge_id, contract, device_id,
           coalesce(sum(items) FILTER (WHERE outcome = 'stored'), 0) AS stored,
           coalesce(sum(items) FILTER (WHERE outcome = 'duplicate'), 0) AS duplicate,
           coalesce(sum(items) FILTER (WHERE outcome = 'conflict'), 0) AS conflict,
           coalesce(sum(items) FILTER (WHERE outcome = 'quarantined'), 0) AS quarantined,
           coalesce(sum(items) FILTER (WHERE outcome = 'parked'), 0) AS parked
    FROM counted
    GROUP BY minute, bridge_id, contract, device_id
), existing AS (
    SELECT m.minute, m.bridge_id, m.contract, count(*) AS devices
    FROM (SELECT DISTINCT minute, bridge_id, contract FROM summed) s
    JOIN validator.ledger_minute m USING (minute, bridge_id, contract)
    GROUP BY m.minute, m.bridge_id, m.contract
), placed AS (
    SELECT s.*, m.device_id IS NOT NULL AS known, coalesce(e.devices, 0) AS devices,
           row_number() OVER (
               PARTITION BY s.minute, s.bridge_id, s.contract, m.device_id IS NOT NULL ORDER BY s.device_id) AS place
    FROM summed s
    LEFT JOIN existing e USING (minute, bridge_id, contract)
    LEFT JOIN validator.ledger_minute m USING (minute, bridge_id, contract, device_id)
), folded AS (
    INSERT INTO validator.ledger_minute AS m
        (minute, bridge_id, contract, device_id, stored, duplicate, conflict, quarantined, parked)
    SELECT minute, bridge_id, contract, CASE WHEN known OR devices + place <= $2 THEN device_id ELSE '' END,
           sum(stored), sum(duplicate), sum(conflict), sum(quarantined), sum(parked)
    FROM placed
    GROUP BY 1, 2, 3, 4
    ON CONFLICT (minute, bridge_id, contract, device_id) DO UPDATE SET
        stored = m.stored + excluded.stored, duplicate = m.duplicate + excluded.duplicate,
        conflict = m.conflict + excluded.conflict, quarantined = m.quarantined + excluded.quarantined,
        parked = m.parked + excluded.parked
), boots AS (
    INSERT INTO validator.ledger_boot AS b (bridge_id, boot_id, acknowledged_through, last_sequence)
    SELECT bridge_id, boot_id, max(acknowledged_through), max(sequence) FROM taken GROUP BY bridge_id, boot_id
    ON CONFLICT (bridge_id, boot_id) DO UPDATE SET
        acknowledged_through = greatest(b.acknowledged_through, excluded.acknowledged_through),
        last_sequence = greatest(b.last_sequence, excluded.last_sequence), update_time = now()
), moved AS (
    UPDATE validator.ledger_fold f SET xid = t.stored_xid, batch_id = t.batch_id
    FROM (SELECT stored_xid, batch_id FROM taken ORDER BY stored_xid DESC, batch_id DESC LIMIT 1) t
)
SELECT count(*) FROM taken;

-- name: instances
-- What the living bridges say of themselves; rows of those that ended long ago are not asked about.
SELECT bridge_id, boot_id, acknowledged_through
FROM bridge.instance
WHERE seen_time > now() - interval '7 days';

-- name: boots
-- Every life of a bridge that is known, with the highest acknowledged sequence that anybody knows of.
-- The ledger's rows that are not folded yet are looked at here.
WITH tail AS (
    SELECT bridge_id, boot_id, max(sequence) AS last_sequence, max(acknowledged_through) AS acknowledged_through
    FROM validator.ledger
    WHERE stored_xid >= (SELECT xid FROM validator.ledger_fold)
    GROUP BY bridge_id, boot_id
), known AS (
    SELECT bridge_id, boot_id, complete_through, acknowledged_through, last_sequence FROM validator.ledger_boot
    UNION ALL
    SELECT bridge_id, boot_id, 0, acknowledged_through, 0
    FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS i (bridge_id, boot_id, acknowledged_through)
    UNION ALL
    SELECT bridge_id, boot_id, 0, acknowledged_through, last_sequence FROM tail
)
SELECT bridge_id, boot_id, max(complete_through) AS complete_through,
       max(acknowledged_through) AS acknowledged_through, max(last_sequence) AS last_sequence
FROM known
WHERE ($4 = '' OR bridge_id = $4) AND ($5::uuid IS NULL OR boot_id = $5)
GROUP BY bridge_id, boot_id
ORDER BY bridge_id, boot_id;

-- name: gaps
-- The sequences above complete_through, up to the highest acknowledged one, that have no row in the ledger.
SELECT b.bridge_id, b.boot_id, g.first, g.last
FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[]) AS b (bridge_id, boot_id, complete, acknowledged)
CROSS JOIN LATERAL (
    SELECT s.sequence + 1 AS first, lead(s.sequence) OVER (ORDER BY s.sequence) - 1 AS last
    FROM (
        SELECT b.complete AS sequence
        UNION ALL
        SELECT DISTINCT l.sequence FROM validator.ledger l
        WHERE l.bridge_id = b.bridge_id AND l.boot_id = b.boot_id
          AND l.sequence > b.complete AND l.sequence <= b.acknowledged
        UNION ALL
        SELECT b.acknowledged + 1
    ) s
) g
WHERE g.first <= g.last
ORDER BY b.bridge_id, b.boot_id, g.first
LIMIT $5;

-- name: still_open
-- What was found open before, and whether it is in the ledger by now.
SELECT o.bridge_id, o.boot_id, o.sequence, o.state, o.since,
       EXISTS (SELECT FROM validator.ledger l
               WHERE l.bridge_id = o.bridge_id AND l.boot_id = o.boot_id AND l.sequence = o.sequence) AS committed
FROM validator.ledger_open o
WHERE ($1 = '' OR o.bridge_id = $1) AND ($2::uuid IS NULL OR o.boot_id = $2)
ORDER BY o.bridge_id, o.boot_id, o.sequence;

-- name: parked_sequences
SELECT boot_id, sequence FROM validator.parked
WHERE (boot_id, sequence) IN (SELECT * FROM unnest($1::uuid[], $2::bigint[]));

-- name: parked_by_boot
SELECT boot_id, count(*) AS batches FROM validator.parked WHERE boot_id IS NOT NULL GROUP BY boot_id;

-- name: keep_boots
INSERT INTO validator.ledger_boot AS b (bridge_id, boot_id, complete_through, acknowledged_through)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[])
ON CONFLICT (bridge_id, boot_id) DO UPDATE SET
    complete_through = greatest(b.complete_through, excluded.complete_through),
    acknowledged_through = greatest(b.acknowledged_through, excluded.acknowledged_through), update_time = now()
WHERE b.complete_through < excluded.complete_through OR b.acknowledged_through < excluded.acknowledged_through;

-- name: keep_open
INSERT INTO validator.ledger_open AS o (bridge_id, boot_id, sequence, state)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::text[])
ON CONFLICT (bridge_id, boot_id, sequence) DO UPDATE SET state = excluded.state, since = now()
WHERE o.state <> excluded.state;

-- name: close_open
DELETE FROM validator.ledger_open o
USING unnest($1::text[], $2::uuid[], $3::bigint[]) AS c (bridge_id, boot_id, sequence)
WHERE o.bridge_id = c.bridge_id AND o.boot_id = c.boot_id AND o.sequence = c.sequence;

-- name: missing
SELECT count(*) FROM validator.ledger_open WHERE state = 'MISSING';

-- name: recount
-- What the ledger says was stored and quarantined by the transactions that began in a time, and is there still: what was
-- healed, purged or deleted since is added to what it was, or taken from it.
WITH written AS MATERIALIZED ({transactions}), said AS (
    SELECT stored, quarantined + conflict AS quarantined FROM validator.ledger
    WHERE commit_time >= $1 AND commit_time < $2 AND stored_xid > (SELECT begin_xid FROM validator.ledger_fold)
    UNION ALL
    SELECT stored, quarantined FROM validator.ledger_change WHERE origin_xid IN (SELECT stored_xid FROM written)
)
SELECT coalesce(sum(stored), 0)::bigint AS stored, coalesce(sum(quarantined), 0)::bigint AS quarantined FROM said;

-- name: transactions
-- Readings and ledger of one transaction have one xid; so have readings and changes of one step of a job.
SELECT stored_xid FROM validator.ledger
WHERE commit_time >= $1 AND commit_time < $2 AND stored_xid > (SELECT begin_xid FROM validator.ledger_fold)
UNION
SELECT origin_xid FROM validator.ledger_change
WHERE change_time >= $1 AND change_time < $2 AND origin_xid = stored_xid

-- name: found_quarantined
-- Quarantine and ledger of one transaction have one time.
SELECT count(*) FROM validator.quarantine
WHERE quarantine_time >= $1 AND quarantine_time < $2 AND stored_xid IN ({transactions});

-- name: stored_by_contract
WITH written AS MATERIALIZED ({transactions}), said AS (
    SELECT c.key AS contract, d.value::bigint AS stored
    FROM validator.ledger l, jsonb_each(l.counts) c, jsonb_each_text(c.value -> 'stored') d
    WHERE l.commit_time >= $1 AND l.commit_time < $2 AND l.stored_xid > (SELECT begin_xid FROM validator.ledger_fold)
    UNION ALL
    SELECT contract, stored FROM validator.ledger_change
    WHERE stored <> 0 AND origin_xid IN (SELECT stored_xid FROM written)
)
SELECT contract, coalesce(sum(stored), 0)::bigint AS stored FROM said GROUP BY contract ORDER BY contract;
