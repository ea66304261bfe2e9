-- Brokers that the bridges read from, and who reads which of their sessions.

CREATE TABLE bridge.source (
    name text COLLATE "C" PRIMARY KEY,
    -- Made anew with each source, so that a source of the same name never meets the sessions of another one.
    source_id uuid NOT NULL DEFAULT gen_random_uuid(),
    -- Raised by every change; the etag.
    version bigint NOT NULL DEFAULT 1,
    url text NOT NULL,
    filters text[] NOT NULL,
    share_group text NOT NULL,
    slots int NOT NULL CHECK (slots BETWEEN 1 AND 64),
    qos int NOT NULL CHECK (qos BETWEEN 0 AND 2),
    protocol text COLLATE "C" NOT NULL CHECK (protocol IN ('5', '3.1.1')),
    username text NOT NULL DEFAULT '',
    -- Secrets: no response and no log shows them.
    password text NOT NULL DEFAULT '',
    client_key_pem text NOT NULL DEFAULT '',
    ca_pem text NOT NULL DEFAULT '',
    client_certificate_pem text NOT NULL DEFAULT '',
    server_name text NOT NULL DEFAULT '',
    state text COLLATE "C" NOT NULL DEFAULT 'ACTIVE' CHECK (state IN ('ACTIVE', 'DELETING')),
    -- What the probe of the broker found when the source was made or its address changed.
    warnings text[] NOT NULL DEFAULT '{}',
    -- Slot numbers are never used twice: a bridge that wakes up late cannot clean a session that is in use.
    next_slot int NOT NULL DEFAULT 1,
    request_id text COLLATE "C" UNIQUE,
    request_digest bytea,
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now()
);

-- One row for each session at a broker. The bridge in `holder` reads it; whoever finds the lease expired may take it.
CREATE TABLE bridge.source_slot (
    source text COLLATE "C" NOT NULL REFERENCES bridge.source (name) ON DELETE CASCADE,
    slot int NOT NULL,
    -- DRAINING never becomes ACTIVE again: the session is read empty and removed, then the row.
    state text COLLATE "C" NOT NULL DEFAULT 'ACTIVE' CHECK (state IN ('ACTIVE', 'DRAINING')),
    holder text NOT NULL DEFAULT '',
    holder_boot uuid,
    expires_at timestamptz NOT NULL DEFAULT '-infinity',
    -- What the session is subscribed to, so that filters that are no longer wanted are taken back.
    subscribed text[] NOT NULL DEFAULT '{}',
    connected boolean NOT NULL DEFAULT false,
    received bigint NOT NULL DEFAULT 0,
    acknowledged bigint NOT NULL DEFAULT 0,
    redelivered bigint NOT NULL DEFAULT 0,
    last_error text NOT NULL DEFAULT '',
    warnings text[] NOT NULL DEFAULT '{}',
    -- When `connected` or `holder` changed last.
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, slot)
);

-- Bridges that take slots: their number is what the slots are divided by.
CREATE TABLE bridge.source_reader (
    boot_id uuid PRIMARY KEY,
    bridge_id text NOT NULL,
    expires_at timestamptz NOT NULL
);
