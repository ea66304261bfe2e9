-- What operators send to devices: commands, each delivered until the device has it or its time is over, and configuration.

CREATE TABLE bridge.device_command (
    -- UUIDv7, also in the topic.
    command_id uuid PRIMARY KEY,
    device_id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    -- JSON as it is sent.
    arguments text NOT NULL,
    caller text NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    request_digest bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    expire_time timestamptz NOT NULL,
    -- First handed to a connection; from then on it is sent again as a duplicate, to that client under the same packet id.
    send_time timestamptz,
    client_id text COLLATE "C",
    packet_id int,
    -- PUBACK of the device (written out, where it has subscribed with QoS 0).
    deliver_time timestamptz,
    -- Its message on …/ack was seen.
    acknowledge_time timestamptz,
    acknowledgement bytea,
    -- What went wrong.
    detail text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX device_command_request ON bridge.device_command (device_id, request_id) WHERE request_id <> '';
CREATE INDEX device_command_device ON bridge.device_command (device_id, command_id);
CREATE INDEX device_command_open ON bridge.device_command (device_id, command_id)
    WHERE deliver_time IS NULL AND acknowledge_time IS NULL;

CREATE TABLE bridge.device_config (
    device_id text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    -- JSON as it is sent.
    config text NOT NULL,
    caller text NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    set_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The newest that the device has confirmed; 0 for none.
    delivered_version bigint NOT NULL DEFAULT 0,
    deliver_time timestamptz
);
