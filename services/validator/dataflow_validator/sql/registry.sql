-- name: lock
-- Whoever changes contracts or routes holds this row; store transactions only read it and never wait.
SELECT version FROM validator.catalog FOR UPDATE;

-- name: raise_version
WITH raised AS (UPDATE validator.catalog SET version = version + 1 RETURNING version)
SELECT version, pg_notify('dataflow_catalog', version::text) FROM raised;

-- name: note_change
-- After raise_version, where judging changes: the change belongs to that version.
WITH counted AS (UPDATE validator.catalog SET sequence = sequence + 1 RETURNING version, sequence), noted AS (
    INSERT INTO validator.contract_change (sequence, contract, kind, revision, actor, catalog_version)
    SELECT sequence, $1, $2, $3, $4, version FROM counted
)
SELECT sequence, pg_notify('dataflow_catalog', version::text) FROM counted;

-- name: changes_after
-- $4: seen by this process. A change is shown by whoever judges by it already.
SELECT sequence, contract, kind, revision, actor, change_time
FROM validator.contract_change
WHERE sequence > $1 AND sequence <= $4 AND (cardinality($2::text[]) = 0 OR contract = ANY ($2))
ORDER BY sequence
LIMIT $3;

-- name: catalog
-- One statement, so that version, contracts and routes belong together; nothing but the numbers for whoever has version $1.
SELECT c.version AS version,
       c.sequence AS sequence,
       CASE WHEN c.version <> $1 THEN
           ARRAY(SELECT (name || '@' || active_revision) FROM validator.contract WHERE active_revision > 0)
       END AS active,
       CASE WHEN c.version <> $1 THEN
           ARRAY(SELECT DISTINCT (contract || '@' || pinned_revision) FROM validator.route WHERE pinned_revision IS NOT NULL)
       END AS pinned,
       CASE WHEN c.version <> $1 THEN
           (SELECT coalesce(json_agg(json_build_array(filter, contract, device_rule, coalesce(pinned_revision, 0))
                                     ORDER BY create_time, filter), '[]')::text
            FROM validator.route)
       END AS routes
FROM validator.catalog c;

-- name: specs
SELECT r.contract AS contract, r.revision AS revision, r.spec::text AS spec
FROM validator.revision r
JOIN unnest($1::text[], $2::integer[]) AS wanted (contract, revision) USING (contract, revision);

-- name: newest_revision
-- Also of a contract that was deleted: rows of its revisions are there.
SELECT revision, spec::text AS spec FROM validator.revision WHERE contract = $1 ORDER BY revision DESC LIMIT 1;

-- name: insert_contract
INSERT INTO validator.contract
    (name, active_revision, latest_revision, builtin, request_id, request_digest,
     compatibility, redrive, readings_days, rollup_days, description)
VALUES ($1, $2, $3, $4, nullif($5, ''), $6, $7, $8, $9, $10, $11)
ON CONFLICT (name) DO NOTHING
RETURNING name;

-- name: insert_revision
INSERT INTO validator.revision (contract, revision, spec, created_by, request_id, request_digest)
VALUES ($1, $2, $3::text::jsonb, $4, nullif($5, ''), $6);

-- name: revision_by_request
SELECT contract, revision, request_digest FROM validator.revision WHERE request_id = $1;

-- name: revision
SELECT r.contract, r.revision, r.spec::text AS spec, r.create_time, r.created_by,
       coalesce(r.revision = c.active_revision, false) AS active,
       ARRAY(SELECT filter FROM validator.route p
             WHERE p.contract = r.contract AND p.pinned_revision = r.revision ORDER BY filter) AS pinned_by
FROM validator.revision r
LEFT JOIN validator.contract c ON c.name = r.contract
WHERE r.contract = $1 AND r.revision = $2;

-- name: revisions
-- The newest first. $2: only those before this one.
SELECT r.contract, r.revision, r.spec::text AS spec, r.create_time, r.created_by,
       coalesce(r.revision = c.active_revision, false) AS active,
       ARRAY(SELECT filter FROM validator.route p
             WHERE p.contract = r.contract AND p.pinned_revision = r.revision ORDER BY filter) AS pinned_by
FROM validator.revision r
LEFT JOIN validator.contract c ON c.name = r.contract
WHERE r.contract = $1 AND r.revision < $2
ORDER BY r.revision DESC
LIMIT $3;

-- name: all_specs
SELECT revision, spec::text AS spec FROM validator.revision WHERE contract = $1 ORDER BY revision DESC;

-- name: add_revision
UPDATE validator.contract SET latest_revision = $2, changes = changes + 1, update_time = now() WHERE name = $1;

-- name: update_contract
UPDATE validator.contract
SET compatibility = $2, redrive = $3, readings_days = $4, rollup_days = $5, description = $6,
    changes = changes + 1, update_time = now()
WHERE name = $1;

-- name: routes_of
SELECT filter FROM validator.route WHERE contract = $1 ORDER BY filter LIMIT 20;

-- name: delete_contract
DELETE FROM validator.contract WHERE name = $1;

-- name: what_stays
-- Estimated from what vacuum and analyze last saw: nobody counts a billion rows to delete a name.
SELECT (SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_class
        WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass($2))) AS rows,
       (SELECT count(*) FROM (SELECT FROM validator.quarantine WHERE contract = $1 LIMIT 100000) q) AS quarantined,
       (SELECT count(*) FROM validator.revision WHERE contract = $1) AS revisions;

-- name: count_redrivable
-- What the contract itself said no to, up to a limit.
SELECT count(*) FROM (
    SELECT FROM validator.quarantine WHERE contract = $1 AND kind IN ('REFUSED', 'UNSTORABLE') LIMIT $2
) q;

-- name: contract_by_request
SELECT name, request_digest FROM validator.contract WHERE request_id = $1;

-- name: contract
SELECT c.name, c.active_revision, c.latest_revision, c.builtin, c.create_time, r.spec::text AS spec,
       c.compatibility, c.redrive, c.readings_days, c.rollup_days, c.description, c.changes, c.update_time,
       (SELECT json_agg(json_build_array(column_name, sql_type, field, type, unit, k.description)
                        ORDER BY first_revision, column_name)::text
        FROM validator.contract_column k WHERE k.contract = c.name) AS columns
FROM validator.contract c
JOIN validator.revision r
    ON r.contract = c.name AND r.revision = CASE c.active_revision WHEN 0 THEN c.latest_revision ELSE c.active_revision END
WHERE c.name = $1;

-- name: contracts
SELECT c.name, c.active_revision, c.latest_revision, c.builtin, c.create_time, r.spec::text AS spec,
       c.compatibility, c.redrive, c.readings_days, c.rollup_days, c.description, c.changes, c.update_time,
       (SELECT json_agg(json_build_array(column_name, sql_type, field, type, unit, k.description)
                        ORDER BY first_revision, column_name)::text
        FROM validator.contract_column k WHERE k.contract = c.name) AS columns
FROM validator.contract c
JOIN validator.revision r
    ON r.contract = c.name AND r.revision = CASE c.active_revision WHEN 0 THEN c.latest_revision ELSE c.active_revision END
WHERE c.name > $1
ORDER BY c.name
LIMIT $2;

-- name: contract_names
SELECT name FROM validator.contract ORDER BY name;

-- name: revision_exists
SELECT EXISTS (SELECT FROM validator.revision WHERE contract = $1 AND revision = $2);

-- name: activate
UPDATE validator.contract SET active_revision = $2, changes = changes + 1, update_time = now() WHERE name = $1;

-- name: insert_route
INSERT INTO validator.route (filter, contract, device_rule, request_id, request_digest, pinned_revision)
VALUES ($1, $2, $3, nullif($4, ''), $5, nullif($6, 0))
RETURNING route_id, filter, contract, device_rule, create_time, coalesce(pinned_revision, 0) AS pinned_revision;

-- name: route
SELECT route_id, filter, contract, device_rule, create_time, coalesce(pinned_revision, 0) AS pinned_revision
FROM validator.route WHERE route_id = $1;

-- name: route_by_request
SELECT route_id, filter, contract, device_rule, create_time, coalesce(pinned_revision, 0) AS pinned_revision, request_digest
FROM validator.route WHERE request_id = $1;

-- name: route_by_filter
SELECT route_id, filter, contract, device_rule, create_time, coalesce(pinned_revision, 0) AS pinned_revision
FROM validator.route WHERE filter = $1;

-- name: routes
SELECT route_id, filter, contract, device_rule, create_time, coalesce(pinned_revision, 0) AS pinned_revision
FROM validator.route WHERE filter > $1 ORDER BY filter LIMIT $2;

-- name: all_routes
SELECT filter, contract, device_rule FROM validator.route ORDER BY filter;

-- name: delete_route
DELETE FROM validator.route WHERE route_id = $1 RETURNING route_id;

-- name: update_route
UPDATE validator.route SET contract = $2, device_rule = $3, pinned_revision = nullif($4, 0) WHERE route_id = $1
RETURNING route_id, filter, contract, device_rule, create_time, coalesce(pinned_revision, 0) AS pinned_revision;

-- name: unrouted_topics
-- Most messages first, from what is counted as items come and go. $1 and $2: count and topic of the last one of the page
-- before, or null. $4: a regular expression that topics match, or null.
WITH counted AS (
    SELECT topic, sum(items)::bigint AS messages
    FROM (SELECT topic, items FROM validator.quarantine_total WHERE kind = 'UNROUTED'
          UNION ALL SELECT topic, items FROM validator.quarantine_change WHERE kind = 'UNROUTED') t
    WHERE $4::text IS NULL OR topic ~ $4::text
    GROUP BY topic
    HAVING sum(items) > 0
), page AS (
    SELECT topic, messages FROM counted
    WHERE $1::bigint IS NULL OR messages < $1 OR (messages = $1 AND topic > $2::text)
    ORDER BY messages DESC, topic
    LIMIT $3
)
SELECT p.topic, p.messages, f.receive_time AS first_receive_time, l.receive_time AS last_receive_time, l.sample, l.size
FROM page p
LEFT JOIN LATERAL (
    SELECT receive_time FROM validator.quarantine q WHERE q.kind = 'UNROUTED' AND q.topic = p.topic
    ORDER BY receive_time, quarantine_id LIMIT 1) f ON true
LEFT JOIN LATERAL (
    SELECT receive_time, substr(payload, 1, 1024) AS sample, octet_length(payload) AS size
    FROM validator.quarantine q WHERE q.kind = 'UNROUTED' AND q.topic = p.topic
    ORDER BY receive_time DESC, quarantine_id DESC LIMIT 1) l ON true
ORDER BY p.messages DESC, p.topic;
