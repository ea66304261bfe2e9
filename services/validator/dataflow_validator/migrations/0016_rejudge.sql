-- Judging history again: the quarantined items of a batch, and what a dry run would have done so far.

-- Batch ids follow time, so new entries are at the end of the index. Only what is refused pays for it.
CREATE INDEX quarantine_batch ON validator.quarantine (batch_id, position);

-- Keys that a dry run would have written or removed, so that its later steps see what its earlier ones would have done.
-- Logged, since a dry run that a crash made forget would be a wrong one; emptied when the job ends.
CREATE TABLE validator.rejudge_foreseen (
    job_id uuid NOT NULL REFERENCES validator.job (job_id) ON DELETE CASCADE,
    -- A digest of the key of a row, or of a quarantined item.
    key uuid NOT NULL,
    -- Null: not there any more.
    content_hash bigint,
    revision integer NOT NULL,
    PRIMARY KEY (job_id, key)
);
