-- name: prune_default_raw_log
DELETE FROM validator.raw_log_default WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM validator.raw_log_default WHERE commit_time < now() - make_interval(days => $1) LIMIT $2));

-- name: prune_default_ledger
DELETE FROM validator.ledger_default WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM validator.ledger_default WHERE commit_time < now() - make_interval(days => $1) LIMIT $2));

-- name: prune_default_ledger_minute
DELETE FROM validator.ledger_minute_default WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM validator.ledger_minute_default WHERE minute < now() - make_interval(days => $1) LIMIT $2));

-- name: prune_ledger_boot
-- Lives of bridges of which nobody has heard for long: the ledger has no row of theirs any more.
DELETE FROM validator.ledger_boot WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM validator.ledger_boot WHERE update_time < now() - make_interval(days => $1) LIMIT $2));

-- name: prune_ledger_open
DELETE FROM validator.ledger_open WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM validator.ledger_open WHERE since < now() - make_interval(days => $1) LIMIT $2));

-- name: prune_ledger_change
-- What they change was counted before them: the ledger has none of it any more.
DELETE FROM validator.ledger_change WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM validator.ledger_change WHERE change_time < now() - make_interval(days => $1) LIMIT $2));

-- name: prune_batch
DELETE FROM validator.batch WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM validator.batch WHERE commit_time < now() - make_interval(secs => $1) LIMIT $2));

-- name: prune_seen
-- By each contract's own window; what belongs to no contract of the list is left alone.
DELETE FROM validator.seen WHERE ctid = ANY (ARRAY(
    SELECT s.ctid
    FROM unnest($1::text[], $2::double precision[]) AS w (contract, seconds)
    JOIN validator.seen s ON s.contract = w.contract AND s.seen_time < now() - make_interval(secs => w.seconds)
    LIMIT $3));

-- name: prune_suspect
-- Nobody reads these batches any more.
DELETE FROM validator.suspect WHERE update_time < now() - make_interval(secs => $1);
