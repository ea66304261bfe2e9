-- name: version
SELECT version, sequence FROM validator.catalog;

-- name: lock
-- Whoever changes contracts or routes holds this row; store transactions only read it and never wait.
SELECT version FROM validator.catalog FOR UPDATE;

-- name: raise_version
WITH raised AS (UPDATE validator.catalog SET version = version + 1 RETURNING version)
SELECT version, pg_notify('dataflow_catalog', version::text) FROM raised;

-- name: catalog
-- One statement, so that version, contracts and routes belong together.
SELECT c.version AS version,
       c.sequence AS sequence,
       ARRAY(SELECT (name || '@' || active_revision) FROM validator.contract WHERE active_revision > 0) AS active,
       (SELECT coalesce(json_agg(json_build_array(filter, contract, device_rule, coalesce(pinned_revision, 0))
                                 ORDER BY create_time, filter), '[]')::text
        FROM validator.route) AS routes
FROM validator.catalog c;

-- name: specs
SELECT r.contract AS contract, r.revision AS revision, r.spec::text AS spec
FROM validator.revision r
JOIN unnest($1::text[], $2::integer[]) AS wanted (contract, revision) USING (contract, revision);

-- name: insert_contract
INSERT INTO validator.contract (name, active_revision, latest_revision, builtin, request_id, request_digest)
VALUES ($1, $2, 1, $3, nullif($4, ''), $5)
ON CONFLICT (name) DO NOTHING
RETURNING name;

-- name: insert_revision
INSERT INTO validator.revision (contract, revision, spec) VALUES ($1, $2, $3::text::jsonb);

-- name: contract_by_request
SELECT name, request_digest FROM validator.contract WHERE request_id = $1;

-- name: contract
SELECT c.name, c.active_revision, c.latest_revision, c.builtin, c.create_time, r.spec::text AS spec
FROM validator.contract c
JOIN validator.revision r
    ON r.contract = c.name AND r.revision = CASE c.active_revision WHEN 0 THEN c.latest_revision ELSE c.active_revision END
WHERE c.name = $1;

-- name: contracts
SELECT c.name, c.active_revision, c.latest_revision, c.builtin, c.create_time, r.spec::text AS spec
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
UPDATE validator.contract SET active_revision = $2 WHERE name = $1;

-- name: insert_route
INSERT INTO validator.route (filter, contract, device_rule, request_id, request_digest)
VALUES ($1, $2, $3, nullif($4, ''), $5)
RETURNING route_id, filter, contract, device_rule, create_time;

-- name: route
SELECT route_id, filter, contract, device_rule, create_time FROM validator.route WHERE route_id = $1;

-- name: route_by_request
SELECT route_id, filter, contract, device_rule, create_time, request_digest FROM validator.route WHERE request_id = $1;

-- name: route_by_filter
SELECT route_id, filter, contract, device_rule, create_time FROM validator.route WHERE filter = $1;

-- name: routes
SELECT route_id, filter, contract, device_rule, create_time FROM validator.route WHERE filter > $1 ORDER BY filter LIMIT $2;

-- name: all_routes
SELECT filter, contract, device_rule FROM validator.route ORDER BY filter;

-- name: delete_route
DELETE FROM validator.route WHERE route_id = $1 RETURNING route_id;

-- name: unrouted_topics
-- Most messages first. $1 and $2: count and topic of the last one of the page before, or null.
SELECT topic, count(*) AS messages, max(receive_time) AS last_receive_time
FROM validator.quarantine
WHERE kind = 'UNROUTED'
GROUP BY topic
HAVING $1::bigint IS NULL OR count(*) < $1 OR (count(*) = $1 AND topic > $2::text)
ORDER BY messages DESC, topic
LIMIT $3;
