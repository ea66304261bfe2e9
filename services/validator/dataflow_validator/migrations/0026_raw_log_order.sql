-- The raw log in commit order, for whoever judges it again. Entries come at the end: nothing for live data to wait for.
CREATE INDEX raw_log_commit_time ON validator.raw_log (commit_time, batch_id);
