-- Who destroyed, took out or changed what, and when; and what serves questions about quarantined items by time.

-- Append-only: the triggers below refuse every change, also by the owner's own code.
CREATE TABLE validator.audit_event (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_time timestamptz NOT NULL DEFAULT now(),
    actor text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    detail jsonb NOT NULL
);
CREATE INDEX audit_event_target ON validator.audit_event (target, event_id);

CREATE FUNCTION validator.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'validator.% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON validator.audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION validator.refuse_change();

GRANT SELECT ON validator.audit_event TO dataflow_reader;

-- Where a time range begins and ends among the ids, without touching the rows (quarantine/filters.py).
CREATE INDEX quarantine_receive_time ON validator.quarantine (receive_time, quarantine_id);
