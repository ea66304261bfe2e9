-- Items that a job found good, and whose key a row with other content has that may have come later: looked into at the
-- job's end, when the raw log is asked which of the two was first.
CREATE TABLE validator.rejudge_contested (
    job_id uuid NOT NULL REFERENCES validator.job (job_id) ON DELETE CASCADE,
    quarantine_id bigint NOT NULL,
    contract text COLLATE "C" NOT NULL,
    PRIMARY KEY (job_id, quarantine_id)
);
