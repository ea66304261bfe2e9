-- Summaries that were asked for. They say what was stored when they were made, and never change.

CREATE TABLE insight.summary (
    summary_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    -- Their order: newest first is highest first.
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    contract text COLLATE "C" NOT NULL,
    creator text COLLATE "C" NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    -- Of Summarize: the same id of the same caller is the same request. Null for none.
    request_id text COLLATE "C",
    request_digest bytea NOT NULL,
    -- dataflow.insight.v1.Summary without results and bindings; and those alone, which lists do not read.
    body bytea NOT NULL,
    evidence bytea NOT NULL
);
CREATE INDEX summary_contract ON insight.summary (contract, number);
CREATE UNIQUE INDEX summary_request ON insight.summary (creator, request_id) WHERE request_id IS NOT NULL;
