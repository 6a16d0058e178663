-- Failures that are not a row's: messages that could not be handled, and tasks that failed.

CREATE TABLE headgate.error (
    error_id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    error_key       uuid        NOT NULL UNIQUE, -- deterministic, so that what is told twice is one row
    source          text        NOT NULL CHECK (source IN ('consumer', 'task', 'broker')),
    class           text        NOT NULL CHECK (class IN ('retriable', 'data', 'fatal')),
    cause           text        NOT NULL,        -- e.g. checksum, unknown_dataset, table_missing, task
    reason          text        NOT NULL,        -- for a person
    trace           text,                        -- the stack, where there is one
    dataset         text        NOT NULL,
    run_id          bigint,                      -- as the message or the task says: no foreign keys,
    object_id       bigint,                      -- a message may name what the ledger does not know
    chunk_id        bigint,
    message_id      text,                        -- as its sender gave it, which need not be a uuid
    replays         integer     NOT NULL DEFAULT 0,   -- times that a person had sent the message again before
    queue           text,
    consumer        text,                        -- who could not handle it
    attempts        integer     NOT NULL DEFAULT 1,   -- failures so far; of a task the number of its try
    state           text        NOT NULL
                    CHECK (state IN ('retrying', 'parked', 'replayed', 'resolved', 'recorded', 'dismissed')),
    first_failed_at timestamptz NOT NULL,
    last_failed_at  timestamptz NOT NULL,
    next_at         timestamptz,                 -- when the delayed retry is due
    resolved_at     timestamptz,                 -- a receipt came, or a person has dismissed it
    traceparent     text,
    dag_id          text,
    dag_run_id      text,
    task_id         text,
    map_index       integer,
    try_number      integer,
    detail          jsonb       NOT NULL DEFAULT '{}',
    CHECK ((next_at IS NOT NULL) = (state = 'retrying'))
);
CREATE INDEX error_of_message ON headgate.error (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX error_of_dataset ON headgate.error (dataset, last_failed_at);
CREATE INDEX error_of_run ON headgate.error (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX error_open ON headgate.error (state, last_failed_at) WHERE state IN ('retrying', 'parked', 'replayed');

-- Until now an alert told of a parked message. Those that still wait for a person are errors from now on.
INSERT INTO headgate.error (
    error_key, source, class, cause, reason, dataset, run_id, object_id, chunk_id, message_id, queue, state,
    first_failed_at, last_failed_at
)
SELECT DISTINCT ON (a.message_id)
    gen_random_uuid(), 'consumer', 'fatal', 'unknown', a.summary, a.dataset, a.run_id, a.object_id, a.chunk_id,
    a.message_id::text, 'headgate.rows.' || a.dataset, 'parked', a.raised_at, a.raised_at
FROM headgate.alert a
WHERE a.kind = 'message.parked'
    AND a.dataset IS NOT NULL
    AND a.message_id IS NOT NULL
    AND a.resolved_at IS NULL
    AND NOT EXISTS (SELECT FROM headgate.receipt r WHERE r.message_id = a.message_id)
ORDER BY a.message_id, a.alert_id DESC;

-- What a person has done with which failed message.
CREATE TABLE headgate.message_replay (
    replay_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id  text        NOT NULL,            -- as its sender gave it; empty where it gave none
    error_id    bigint,                          -- none for a message that the broker itself has parked
    dataset     text        NOT NULL,
    replays     bigint      NOT NULL,            -- times that it had been sent again before
    source      text        NOT NULL CHECK (source IN ('parking', 'errors', 'staging')),
    action      text        NOT NULL             -- sent again; dropped, as its rows are applied; dropped for good
                CHECK (action IN ('replayed', 'applied', 'dismissed')),
    filter      text        NOT NULL,            -- what was asked for, as it was typed
    force       boolean     NOT NULL DEFAULT false,
    note        text,                            -- why it was dismissed
    replayed_by text        NOT NULL,            -- the user of the operating system
    replayed_as text        NOT NULL DEFAULT session_user,
    replayed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX message_replay_of_message ON headgate.message_replay (message_id);

GRANT SELECT, INSERT, UPDATE ON headgate.error TO headgate_loader;
GRANT INSERT, UPDATE ON headgate.error TO headgate_pipeline;
GRANT INSERT ON headgate.message_replay TO headgate_pipeline;
