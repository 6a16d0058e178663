-- Retention: what is settled is pruned after its time; the books stay the same to the digit.

-- The books of a chunk whose batches and receipts are pruned. A message of it that comes again is a known one.
CREATE TABLE headgate.closed_chunk (
    chunk_id    bigint      PRIMARY KEY REFERENCES headgate.chunk ON DELETE CASCADE,
    batches     bigint      NOT NULL,
    inserted    bigint      NOT NULL,
    updated     bigint      NOT NULL,
    unchanged   bigint      NOT NULL,
    superseded  bigint      NOT NULL,
    quarantined bigint      NOT NULL,
    rows        bigint      GENERATED ALWAYS AS (inserted + updated + unchanged + superseded + quarantined) STORED,
    closed_at   timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE headgate.object
    ADD receipts_pruned_at timestamptz,          -- its batches and receipts
    ADD staging_pruned_at  timestamptz;          -- what lay in the staging bucket
CREATE INDEX object_receipts_kept ON headgate.object (dataset, loaded_at)
    WHERE state = 'loaded' AND receipts_pruned_at IS NULL;
CREATE INDEX object_staging_kept ON headgate.object (object_id)
    WHERE state IN ('loaded', 'held', 'duplicate') AND staging_pruned_at IS NULL;
CREATE INDEX error_of_object ON headgate.error (object_id) WHERE state IN ('retrying', 'parked', 'replayed');

GRANT SELECT ON headgate.closed_chunk TO headgate_loader;
GRANT DELETE ON headgate.error, headgate.message_replay, headgate.event, headgate.alert, headgate.notification,
    headgate.silence TO headgate_pipeline;
