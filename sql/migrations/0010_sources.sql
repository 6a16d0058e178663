-- API sources: how each provider stands, over all processes, and when it was asked.

CREATE TABLE headgate.source (
    provider    text        PRIMARY KEY,
    state       text        NOT NULL DEFAULT 'closed' CHECK (state IN ('closed', 'half-open', 'open')),
    forced      boolean     NOT NULL DEFAULT false,   -- by a person: the state stays until it is reset
    failures    integer     NOT NULL DEFAULT 0,       -- in a row
    reason      text,                                 -- of the last failure
    opened_at   timestamptz,
    trial_until timestamptz,                          -- one call tries whether it is back; others wait until then
    held_until  timestamptz,                          -- asked for patience: nobody calls before
    held_reason text,
    held_down   boolean     NOT NULL DEFAULT false    -- it is down for so long by its own word, not asked too often
);

-- One row a call, for as long as a limit looks back. The provider counted it before counted_at at the latest,
-- which lies ahead while the call is under way.
CREATE TABLE headgate.source_call (
    call_id    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider   text        NOT NULL,
    counted_at timestamptz NOT NULL
);
CREATE INDEX source_call_newest ON headgate.source_call (provider, counted_at);

GRANT INSERT, UPDATE ON headgate.source TO headgate_pipeline;
GRANT INSERT, UPDATE, DELETE ON headgate.source_call TO headgate_pipeline;
