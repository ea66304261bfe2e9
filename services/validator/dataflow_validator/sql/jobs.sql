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

-- name: part
-- As its holder reads it again after an error; nothing when it is not its holder any more.
SELECT part, checkpoint::text AS checkpoint, done, result::text AS result, epoch FROM validator.job_part
WHERE job_id = $1 AND part = $2 AND holder = $3 AND epoch = $4 AND state = 'RUNNING';

-- name: claim_part
-- The part that $1 works on next, for $2 seconds, of the kinds $3: of the job that fewest workers are busy with, and that
-- $1 left longest ago ($4: jobs in the order in which it left them). Whose lease ran out is taken to have died over it.
WITH chosen AS (
    SELECT p.job_id, p.part
    FROM validator.job j
    CROSS JOIN LATERAL (
        SELECT count(*) AS busy FROM validator.job_part
        WHERE job_id = j.job_id AND state = 'RUNNING' AND expires_at > clock_timestamp()
    ) workers
    JOIN validator.job_part p ON p.job_id = j.job_id
    WHERE j.state IN ('QUEUED', 'RUNNING') AND NOT j.cancel_requested AND j.kind = ANY ($3::text[])
      AND (p.state = 'QUEUED' OR (p.state = 'RUNNING' AND p.expires_at <= clock_timestamp()))
    ORDER BY workers.busy, array_position($4::uuid[], j.job_id) NULLS FIRST, j.create_time, j.job_id, p.part
    LIMIT 1
    FOR NO KEY UPDATE OF p SKIP LOCKED
), claimed AS (
    UPDATE validator.job_part p
    SET state = 'RUNNING', holder = $1, epoch = p.epoch + 1, deaths = p.deaths + (p.state = 'RUNNING')::integer,
        expires_at = clock_timestamp() + make_interval(secs => $2)
    FROM chosen WHERE p.job_id = chosen.job_id AND p.part = chosen.part
    RETURNING p.job_id, p.part, p.checkpoint, p.done, p.result, p.epoch, p.deaths
), begun AS (
    UPDATE validator.job j
    SET state = 'RUNNING', start_time = coalesce(j.start_time, clock_timestamp()), update_time = clock_timestamp()
    FROM claimed WHERE j.job_id = claimed.job_id AND j.state = 'QUEUED'
)
SELECT c.job_id, c.part, c.checkpoint::text AS checkpoint, c.done, c.result::text AS result, c.epoch, c.deaths,
    j.kind, j.request::text AS request, j.created_by, j.dry_run, j.rate
FROM claimed c JOIN validator.job j USING (job_id);

-- name: renew_part
-- What its holder must know between two steps; nothing when it is not its holder any more.
UPDATE validator.job_part p SET expires_at = clock_timestamp() + make_interval(secs => $5)
FROM validator.job j
WHERE p.job_id = $1 AND p.part = $2 AND p.holder = $3 AND p.epoch = $4 AND p.state = 'RUNNING' AND j.job_id = p.job_id
RETURNING j.cancel_requested,
    (SELECT count(*) FROM validator.job_part o
     WHERE o.job_id = $1 AND o.state = 'RUNNING' AND o.expires_at > clock_timestamp()) AS running;

-- name: release_part
-- Given back in order: nobody died.
UPDATE validator.job_part SET state = 'QUEUED', holder = NULL, expires_at = NULL
WHERE job_id = $1 AND part = $2 AND holder = $3 AND epoch = $4 AND state = 'RUNNING';

-- name: expire_holder
-- Its process is seen to be dead: what it held is free at once.
UPDATE validator.job_part SET expires_at = clock_timestamp() WHERE holder = $1 AND state = 'RUNNING';

-- name: insert_parts
INSERT INTO validator.job_part (job_id, part, checkpoint)
SELECT $1, ordinality - 1, checkpoint::jsonb FROM unnest($2::text[]) WITH ORDINALITY AS given (checkpoint, ordinality);

-- name: set_total
UPDATE validator.job_part SET total = $2 WHERE job_id = $1 AND part = -1;

-- name: open_work
-- Whether a worker would find something to do among the kinds $1.
SELECT EXISTS (
    SELECT FROM validator.job j JOIN validator.job_part p USING (job_id)
    WHERE j.state IN ('QUEUED', 'RUNNING') AND NOT j.cancel_requested AND j.kind = ANY ($1::text[])
      AND (p.state = 'QUEUED' OR (p.state = 'RUNNING' AND p.expires_at <= clock_timestamp()))
) OR EXISTS (
    SELECT FROM validator.job j
    WHERE j.state IN ('QUEUED', 'RUNNING') AND j.kind = ANY ($1::text[])
      AND (j.cancel_requested OR NOT EXISTS (
          SELECT FROM validator.job_part p WHERE p.job_id = j.job_id AND p.state <> 'SUCCEEDED'))
      AND NOT EXISTS (
          SELECT FROM validator.job_part p
          WHERE p.job_id = j.job_id AND p.state = 'RUNNING' AND p.expires_at > clock_timestamp())
);

-- name: unsettled
-- Jobs that nobody works on and that must end: all parts are done, or it was asked to.
SELECT j.job_id
FROM validator.job j
WHERE j.state IN ('QUEUED', 'RUNNING') AND j.kind = ANY ($1::text[])
  AND (j.cancel_requested OR NOT EXISTS (
      SELECT FROM validator.job_part p WHERE p.job_id = j.job_id AND p.state <> 'SUCCEEDED'))
  AND NOT EXISTS (
      SELECT FROM validator.job_part p
      WHERE p.job_id = j.job_id AND p.state = 'RUNNING' AND p.expires_at > clock_timestamp())
ORDER BY j.create_time;

-- name: lock_parts
-- Parts before their job, as whoever claims does.
SELECT part, state, result::text AS result, state = 'RUNNING' AND expires_at > clock_timestamp() AS held
FROM validator.job_part WHERE job_id = $1 ORDER BY part FOR NO KEY UPDATE;

-- name: lock_job
SELECT kind, state, request::text AS request, cancel_requested FROM validator.job WHERE job_id = $1 FOR NO KEY UPDATE;

-- name: end_job
UPDATE validator.job
SET state = $2, result = $3::text::jsonb, error = $4::text::jsonb, end_time = clock_timestamp(), update_time = clock_timestamp()
WHERE job_id = $1;

-- name: free_parts
-- Nobody who held one may write any more.
UPDATE validator.job_part SET state = 'QUEUED', holder = NULL, expires_at = NULL WHERE job_id = $1 AND state = 'RUNNING';

-- name: request_cancel
UPDATE validator.job SET cancel_requested = true, update_time = clock_timestamp()
WHERE job_id = $1 AND state IN ('QUEUED', 'RUNNING') AND NOT cancel_requested;

-- name: resume_job
UPDATE validator.job
SET state = 'QUEUED', cancel_requested = false, result = NULL, error = NULL, end_time = NULL, update_time = clock_timestamp()
WHERE job_id = $1;

-- name: forgive_deaths
UPDATE validator.job_part SET deaths = 0 WHERE job_id = $1 AND deaths > 0;

-- name: notify
SELECT pg_notify('dataflow_jobs', '');

-- name: count_jobs
SELECT state, count(*) AS jobs FROM validator.job GROUP BY state;

-- name: prune_jobs
-- Ended ones, with their parts.
DELETE FROM validator.job WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM validator.job
    WHERE state IN ('SUCCEEDED', 'FAILED', 'CANCELLED') AND end_time < now() - make_interval(days => $1) LIMIT $2));
