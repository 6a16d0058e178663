-- What policy `replace` took out of a table: which rows of which version, so that each row's fate can be told.
CREATE TABLE headgate.removal (
    object_id   bigint         NOT NULL REFERENCES headgate.object,  -- the last version that had the rows
    removed_by  bigint         NOT NULL REFERENCES headgate.object,  -- the version that no longer has them
    removed_at  timestamptz    NOT NULL DEFAULT now(),
    row_numbers int8multirange NOT NULL
);
CREATE INDEX removal_of_object ON headgate.removal (object_id);

-- What became of each window that a run had to fetch. headgate.fetch says how a window stands, whoever asked last.
CREATE TABLE headgate.fetch_by_run (
    run_id    bigint  NOT NULL REFERENCES headgate.run,
    folder    text    NOT NULL,
    state     text    NOT NULL CHECK (state IN ('wanted', 'landed', 'failed')),
    fault     text,
    reason    text,
    pages     integer NOT NULL DEFAULT 0,
    pages_new integer NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, folder)
);
INSERT INTO headgate.fetch_by_run (run_id, folder, state, fault, reason, pages, pages_new)
SELECT run_id, folder, state, fault, reason, pages, pages_new FROM headgate.fetch WHERE run_id IS NOT NULL;
GRANT INSERT, UPDATE, DELETE ON headgate.fetch_by_run TO headgate_pipeline;

COMMENT ON TABLE headgate.live_batch IS 'Batches of live streams, until their minute is loaded';
