-- Live streams: how far each was read, and the batches that the broker has not confirmed yet.

CREATE TABLE headgate.live (
    dataset text        PRIMARY KEY,
    read_to timestamptz NOT NULL  -- what the provider received before this is in the ledger
);
COMMENT ON TABLE headgate.live IS 'How far each live stream was read: where it is resumed';

CREATE TABLE headgate.live_batch (
    message_id uuid  PRIMARY KEY REFERENCES headgate.batch ON DELETE CASCADE,
    body       bytea NOT NULL  -- zstd; goes when the broker has confirmed the message
);
ALTER TABLE headgate.live_batch ALTER COLUMN body SET STORAGE EXTERNAL;
COMMENT ON TABLE headgate.live_batch IS 'Batches of live streams on their way to the broker';

GRANT INSERT, UPDATE ON headgate.live TO headgate_pipeline;
GRANT INSERT, DELETE ON headgate.live_batch TO headgate_pipeline;
