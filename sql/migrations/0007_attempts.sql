-- Tasks that are late or cleared: what they staged, and what was taken over from them.

-- Names what was staged of the chunk: a late attempt of a task stages under another name.
ALTER TABLE headgate.chunk ADD COLUMN staged text NOT NULL DEFAULT '';

-- An object that went from a run that was over to another one.
CREATE TABLE headgate.adoption (
    object_id   bigint      NOT NULL REFERENCES headgate.object,
    from_run_id bigint      NOT NULL REFERENCES headgate.run,
    to_run_id   bigint      NOT NULL REFERENCES headgate.run,
    adopted_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (from_run_id, object_id, to_run_id)
);
GRANT SELECT, INSERT ON headgate.adoption TO headgate_pipeline;

-- The newest object before another one, whose header is compared with that of the other.
CREATE INDEX object_read ON headgate.object (dataset, version, object_id)
    WHERE state IN ('inspected', 'validated', 'published', 'loaded') AND replay_of IS NULL;
