-- Conversations: questions and answers that their callers keep. The schema insight itself is made by the migrator.
-- The role dataflow_reader gets no right here: a query of one caller must not see what another one asked.

CREATE TABLE insight.conversation (
    conversation_id uuid PRIMARY KEY,
    -- The name of the token's holder: nobody else sees the row.
    caller text COLLATE "C" NOT NULL,
    title text NOT NULL,
    turn_count integer NOT NULL DEFAULT 0,
    character_count bigint NOT NULL DEFAULT 0,
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now(),
    -- The answer in the making, so that two questions at once do not cross; void after its time, should its process die.
    asking_id uuid,
    asking_until timestamptz
);
CREATE INDEX conversation_caller ON insight.conversation (caller, update_time DESC, conversation_id DESC);
CREATE INDEX conversation_update_time ON insight.conversation (update_time);

CREATE TABLE insight.turn (
    conversation_id uuid NOT NULL REFERENCES insight.conversation (conversation_id) ON DELETE CASCADE,
    -- From 1, without gaps.
    number integer NOT NULL,
    ask_id uuid NOT NULL,
    question text NOT NULL,
    answer text NOT NULL,
    -- QueryPlan messages as proto JSON, in an array.
    plans jsonb NOT NULL,
    engine text COLLATE "C" NOT NULL,
    -- Number of the Decline; 0 where there is an answer.
    decline integer NOT NULL,
    ask_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (conversation_id, number)
);
