-- What the bridges keep: who is a member of the ring. Validators read it.

CREATE TABLE bridge.node (
    name text COLLATE "C" PRIMARY KEY,
    url text NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('ACTIVE', 'DRAINING', 'DRAINED', 'REMOVED')),
    zone text COLLATE "C" NOT NULL DEFAULT '',
    incarnation text COLLATE "C" NOT NULL,
    durability text COLLATE "C" NOT NULL CHECK (durability IN ('VERIFIED', 'UNVERIFIED', 'WEAK')),
    admit_time timestamptz NOT NULL DEFAULT now()
);

-- Every observer's view of every node, written by each process for itself; old rows are of processes that ended.
CREATE TABLE bridge.observation (
    node text COLLATE "C" NOT NULL REFERENCES bridge.node (name) ON DELETE CASCADE,
    observer text COLLATE "C" NOT NULL,
    health text COLLATE "C" NOT NULL,
    detail text NOT NULL,
    latency_seconds double precision NOT NULL,
    observe_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (node, observer)
);
