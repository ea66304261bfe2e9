-- Long work: what was asked for, how far it is, what came of it. Any validator's worker goes on with it.

CREATE TABLE validator.job (
    job_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL DEFAULT 'QUEUED'
        CHECK (state IN ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
    request jsonb NOT NULL,
    -- The same request_id is the same job; a SHA-256 of what was asked for tells whether it is.
    request_id text COLLATE "C" UNIQUE,
    request_digest bytea NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    dry_run boolean NOT NULL DEFAULT false,
    -- Items per second at most; null for as fast as live data allows.
    rate double precision CHECK (rate > 0),
    result jsonb,
    -- {"reason", "message", "metadata"}
    error jsonb,
    cancel_requested boolean NOT NULL DEFAULT false,
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    start_time timestamptz,
    end_time timestamptz,
    -- Raised by each change that somebody who watches wants to see.
    update_time timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX job_create_time ON validator.job (create_time, job_id);
CREATE INDEX job_open ON validator.job (create_time) WHERE state IN ('QUEUED', 'RUNNING');

-- A job is worked on in parts. Part -1 plans: it makes the others. Whoever holds a part renews its lease by the
-- database's clock, and each transaction of its work checks holder and epoch: who was frozen writes nothing any more.
CREATE TABLE validator.job_part (
    job_id uuid NOT NULL REFERENCES validator.job (job_id) ON DELETE CASCADE,
    part integer NOT NULL,
    state text COLLATE "C" NOT NULL DEFAULT 'QUEUED' CHECK (state IN ('QUEUED', 'RUNNING', 'SUCCEEDED')),
    checkpoint jsonb NOT NULL,
    done bigint NOT NULL DEFAULT 0,
    total bigint,
    result jsonb NOT NULL DEFAULT '{}',
    holder text COLLATE "C",
    epoch bigint NOT NULL DEFAULT 0,
    expires_at timestamptz,
    -- Workers that died while they held it, since it last got on.
    deaths integer NOT NULL DEFAULT 0,
    PRIMARY KEY (job_id, part)
) WITH (fillfactor = 70);
CREATE INDEX job_part_open ON validator.job_part (job_id, part) WHERE state <> 'SUCCEEDED';

GRANT SELECT ON validator.job, validator.job_part TO dataflow_reader;
