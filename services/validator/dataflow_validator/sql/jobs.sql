-- name: insert_job
-- With its plan part, and a word to whoever waits for work. Nothing where the request_id is known.
WITH made AS (
    INSERT INTO validator.job (kind, request, request_id, request_digest, created_by, dry_run, rate)
    VALUES ($1, $2::text::jsonb, $3, $4, $5, $6, $7)
    ON CONFLICT (request_id) DO NOTHING
    RETURNING job_id
), part AS (
    INSERT INTO validator.job_part (job_id, part, checkpoint)
    SELECT job_id, -1, '{}' FROM made
    RETURNING job_id
)
SELECT job_id FROM part, pg_notify('dataflow_jobs', '');

-- name: job_by_request
SELECT job_id, request_digest FROM validator.job WHERE request_id = $1;

-- name: job
SELECT j.job_id, j.kind, j.state, j.request::text AS request, j.created_by, j.dry_run, j.rate, j.result::text AS result,
    j.error::text AS error, j.cancel_requested, j.create_time, j.start_time, j.end_time, j.update_time,
    p.done, p.total, p.parts, p.running
FROM validator.job j
CROSS JOIN LATERAL (
    SELECT coalesce(sum(done), 0)::bigint AS done, sum(total)::bigint AS total,
        (count(*) FILTER (WHERE part >= 0))::integer AS parts,
        (count(*) FILTER (WHERE state = 'RUNNING' AND expires_at > clock_timestamp()))::integer AS running
    FROM validator.job_part p WHERE p.job_id = j.job_id
) p
WHERE j.job_id = $1;

-- name: jobs
-- $1 kinds, $2 states: empty for all; ($3, $4) is where the page before ended.
SELECT j.job_id, j.kind, j.state, j.request::text AS request, j.created_by, j.dry_run, j.rate, j.result::text AS result,
    j.error::text AS error, j.cancel_requested, j.create_time, j.start_time, j.end_time, j.update_time,
    p.done, p.total, p.parts, p.running
FROM (
    SELECT * FROM validator.job
    WHERE (cardinality($1::text[]) = 0 OR kind = ANY ($1::text[]))
      AND (cardinality($2::text[]) = 0 OR state = ANY ($2::text[]))
      AND ($3::timestamptz IS NULL OR (create_time, job_id) < ($3::timestamptz, $4::uuid))
    ORDER BY create_time DESC, job_id DESC LIMIT $5
) j
CROSS JOIN LATERAL (
    SELECT coalesce(sum(done), 0)::bigint AS done, sum(total)::bigint AS total,
        (count(*) FILTER (WHERE part >= 0))::integer AS parts,
        (count(*) FILTER (WHERE state = 'RUNNING' AND expires_at > clock_timestamp()))::integer AS running
    FROM validator.job_part p WHERE p.job_id = j.job_id
) p
ORDER BY j.create_time DESC, j.job_id DESC;

-- name: hold_part
-- Keeps the part until the transaction ends; nothing where somebody else has it, or the job was ended.
SELECT p.part FROM validator.job_part p
WHERE p.job_id = $1 AND p.part = $2 AND p.holder = $3 AND p.epoch = $4 AND p.state = 'RUNNING'
FOR NO KEY UPDATE;

-- name: save_part
-- The part is held by `hold_part`. Getting on clears the count of deaths.
UPDATE validator.job_part
SET checkpoint = $3::text::jsonb, done = $4, result = $5::text::jsonb, deaths = 0,
    state = CASE WHEN $6 THEN 'SUCCEEDED' ELSE state END,
    holder = CASE WHEN $6 THEN NULL ELSE holder END,
    expires_at = CASE WHEN $6 THEN NULL ELSE clock_timestamp() + make_interval(secs => $7) END
WHERE job_id = $1 AND part = $2;
