-- The audit of a page of messages; their errors follow. Sent again from staging, a message's earlier failures are
-- over as well.
WITH done AS (
    INSERT INTO headgate.message_replay
        (message_id, error_id, dataset, action, source, filter, force, note, replayed_by)
    VALUES %s
    RETURNING message_id, error_id, action, source
)
UPDATE headgate.error e
SET state = CASE done.action WHEN 'applied' THEN 'resolved' ELSE done.action END,
    next_at = NULL,
    resolved_at = CASE WHEN done.action <> 'replayed' THEN now() END
FROM done
WHERE (
        (e.error_id = done.error_id AND coalesce(e.message_id, '') = done.message_id)
        OR (done.source = 'staging' AND e.message_id = done.message_id)
    )
    AND e.state IN ('retrying', 'parked', 'replayed');
