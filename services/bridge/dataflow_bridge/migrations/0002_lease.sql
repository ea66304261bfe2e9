-- Who leads, which bridges live and how far they are, and what the leader needs to know of a node.

-- One leader among the bridges, by the database's clock (dataflow_mesh.lease).
CREATE TABLE bridge.lease (
    name text COLLATE "C" PRIMARY KEY,
    holder text NOT NULL,
    epoch bigint NOT NULL,
    expires_at timestamptz NOT NULL
);

-- One row for each life of a bridge, written by itself about once a second and when it has drained.
CREATE TABLE bridge.instance (
    boot_id uuid PRIMARY KEY,
    bridge_id text COLLATE "C" NOT NULL,
    start_time timestamptz NOT NULL DEFAULT now(),
    seen_time timestamptz NOT NULL DEFAULT now(),
    -- Of the batch that was made last; 0 before the first one.
    sequence bigint NOT NULL DEFAULT 0,
    -- The highest sequence up to which all sources were acknowledged.
    acknowledged_through bigint NOT NULL DEFAULT 0,
    -- Bytes that it appends to the ring each second, all copies, over the last minute.
    append_rate double precision NOT NULL DEFAULT 0,
    -- It has drained: nothing comes after acknowledged_through.
    ended boolean NOT NULL DEFAULT false
);
CREATE INDEX instance_seen_time ON bridge.instance (seen_time);

-- Fences control of a node: the higher number wins, also on the node itself.
CREATE SEQUENCE bridge.control_epoch;

ALTER TABLE bridge.node
    ADD COLUMN state_time timestamptz NOT NULL DEFAULT now(),
    -- Since when no bridge reaches it; null while one does.
    ADD COLUMN down_since timestamptz;

-- Every incarnation that this ring ever gave: tells a node of ours that comes back from another ring's.
CREATE TABLE bridge.incarnation (
    incarnation text COLLATE "C" PRIMARY KEY,
    node text COLLATE "C" NOT NULL,
    admit_time timestamptz NOT NULL
);
INSERT INTO bridge.incarnation (incarnation, node, admit_time) SELECT incarnation, name, admit_time FROM bridge.node;

-- What the leader found when it last compared the nodes; one row.
CREATE TABLE bridge.replication (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    epoch bigint NOT NULL,
    under_replicated bigint NOT NULL,
    observe_time timestamptz NOT NULL DEFAULT now()
);
