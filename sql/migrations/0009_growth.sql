-- Indexes for what is asked of a long history: who asks for a run, a key, a page or what is open reads only that.

-- The newest versions of an object, without those that were held or read for nothing.
CREATE INDEX object_live ON headgate.object (dataset, lineage, version, object_id)
    WHERE state NOT IN ('held', 'duplicate');
-- Whether a key had a content before.
CREATE INDEX object_of_content ON headgate.object (dataset, key, bucket, sha256, version, object_id)
    WHERE state IN ('published', 'loaded');
CREATE INDEX object_held ON headgate.object (dataset, key, bucket, object_id) WHERE state = 'held';
-- Runs that loaded something, the newest first.
CREATE INDEX object_loaded_by ON headgate.object (dataset, run_id) WHERE state = 'loaded' AND replay_of IS NULL;
-- Retention goes on behind what it cannot prune yet.
DROP INDEX headgate.object_receipts_kept;
CREATE INDEX object_receipts_kept ON headgate.object (dataset, loaded_at, object_id)
    WHERE state = 'loaded' AND receipts_pruned_at IS NULL;
DROP INDEX headgate.object_staging_kept;
CREATE INDEX object_staging_kept ON headgate.object (dataset, object_id)
    WHERE state IN ('loaded', 'held', 'duplicate') AND staging_pruned_at IS NULL;
DROP FUNCTION IF EXISTS headgate.prune_receipts(text, timestamptz, integer, boolean);  -- has other arguments now

-- Errors by time: all, those of a dataset that have an index already, and those that are not settled.
CREATE INDEX error_newest ON headgate.error (last_failed_at, error_id);
CREATE INDEX error_unsettled ON headgate.error (last_failed_at, error_id)
    WHERE state IN ('retrying', 'parked', 'replayed', 'recorded');
CREATE INDEX error_recorded ON headgate.error (dataset) WHERE state = 'recorded';
DROP INDEX headgate.error_of_object;
CREATE INDEX error_of_object ON headgate.error (object_id) WHERE object_id IS NOT NULL;
DROP FUNCTION IF EXISTS headgate.error_matching(
    text[], bigint[], bigint[], bigint[], text[], text[], bigint[], text[], timestamptz, text, text[]
);  -- tells the time as well now
CREATE INDEX message_replay_at ON headgate.message_replay (replayed_at);

CREATE INDEX alert_newest ON headgate.alert (last_at, alert_id);

CREATE UNIQUE INDEX event_number ON headgate.event (number);
CREATE INDEX event_recorded ON headgate.event (recorded_at);
