-- What was asked of API sources: one row for each window of a dataset and each slice of it. It is the memory that
-- keeps anything from being fetched twice, and the list of what a run has still to fetch.
CREATE TABLE headgate.fetch (
    dataset      text        NOT NULL,
    folder       text        NOT NULL,       -- of its keys, below the dataset's prefix; names window and slice
    window_start timestamptz NOT NULL,
    window_end   timestamptz NOT NULL,
    slice        jsonb       NOT NULL DEFAULT '{}',
    state        text        NOT NULL CHECK (state IN ('wanted', 'landed', 'failed')),
    fault        text        CHECK (fault IN ('away', 'quota', 'rejected')),  -- why it failed
    reason       text,                       -- the same for people
    run_id       bigint      REFERENCES headgate.run,  -- that wants it, or asked for it last; none: the command line
    lane         integer,                    -- of that run
    routine      boolean     NOT NULL,       -- of a run that goes on where the one before it stopped
    fetched_at   timestamptz,                -- when the fetch began that landed all of it
    pages        integer     NOT NULL DEFAULT 0,  -- of that fetch
    pages_new    integer     NOT NULL DEFAULT 0,  -- of these: with another content than before
    PRIMARY KEY (dataset, folder),
    CHECK ((state = 'failed') = (fault IS NOT NULL)),
    CHECK (state <> 'landed' OR fetched_at IS NOT NULL)
);
CREATE INDEX fetch_of_run ON headgate.fetch (run_id, lane);
CREATE INDEX fetch_wanted ON headgate.fetch (dataset, run_id) WHERE state = 'wanted';

GRANT INSERT, UPDATE, DELETE ON headgate.fetch TO headgate_pipeline;
