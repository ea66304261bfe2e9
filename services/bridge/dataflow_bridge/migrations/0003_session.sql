-- MQTT sessions: which bridge has the client id, under which epoch, and what outlives the connection.

-- One sequence for all sessions, so that the epoch of a session that was ended and begun again is higher, too.
CREATE SEQUENCE bridge.session_epoch;

CREATE TABLE bridge.session (
    -- Clients of different identities never share, take over or end a session.
    identity text COLLATE "C" NOT NULL,
    client_id text COLLATE "C" NOT NULL,
    -- Raised at each claim: whoever has a lower one has lost the session.
    epoch bigint NOT NULL,
    device_id text COLLATE "C",
    bridge_id text COLLATE "C" NOT NULL,
    boot_id uuid NOT NULL,
    connected boolean NOT NULL,
    -- When the client connected, by the clock of the database.
    claim_time timestamptz NOT NULL,
    disconnect_time timestamptz,
    -- When the session ends; null while connected.
    end_time timestamptz,
    expiry_seconds bigint NOT NULL,
    -- Granted filters with their QoS.
    subscriptions jsonb NOT NULL,
    -- Of the connection that has the session or had it last; null once it was published or taken back.
    will jsonb,
    will_delay_seconds bigint NOT NULL,
    -- When the Will is due; null while connected.
    will_time timestamptz,
    -- What the last claim found; it cannot return values of before otherwise.
    present boolean NOT NULL,
    previous_epoch bigint,
    -- Of the bridge whose connection was taken over.
    previous_boot_id uuid,
    -- The Will of the connection with left_epoch, which the claim made due.
    left_will jsonb,
    left_epoch bigint,
    PRIMARY KEY (identity, client_id)
) WITH (fillfactor = 70);

CREATE INDEX session_boot_id ON bridge.session (boot_id) WHERE connected;
CREATE INDEX session_will_time ON bridge.session (will_time) WHERE will_time IS NOT NULL;
CREATE INDEX session_end_time ON bridge.session (end_time) WHERE end_time IS NOT NULL;

-- Whether state of the session is left for a new connection of its client: one with expiry 0 ends with its connection.
CREATE FUNCTION bridge.session_goes_on(s bridge.session) RETURNS boolean LANGUAGE sql STABLE
AS $$ SELECT CASE WHEN (s).connected THEN (s).expiry_seconds > 0 ELSE (s).end_time > clock_timestamp() END $$;

-- Whether a claim makes the Will of the connection before due [MQTT-3.1.2-8, MQTT-3.1.3-9]: by taking a connection over
-- whose Will has no delay, or by ending the session; not when the client is back in time, and not when the claim is of
-- that same connection.
CREATE FUNCTION bridge.session_leaves_will(s bridge.session, claim bridge.session) RETURNS boolean LANGUAGE sql STABLE
AS $$
    SELECT (s).will IS NOT NULL AND CASE
        WHEN (claim).previous_epoch IS NOT NULL AND (s).boot_id = (claim).boot_id THEN false
        WHEN (claim).previous_epoch = (s).epoch THEN false
        WHEN NOT (claim).present OR NOT bridge.session_goes_on(s) THEN true
        WHEN (s).connected THEN (s).will_delay_seconds = 0
        ELSE (s).will_time <= clock_timestamp() END
$$;
