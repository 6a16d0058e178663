-- The audit of a page of messages. Their errors follow, and those of the message's earlier lives; a failure since,
-- of what was just sent, has one replay more and stays as it is.
WITH done AS (
    INSERT INTO headgate.message_replay
        (message_id, error_id, dataset, replays, action, source, filter, force, note, replayed_by)
    VALUES %s
    RETURNING message_id, error_id, replays, action
)
UPDATE headgate.error e
SET state = CASE done.action WHEN 'applied' THEN 'resolved' ELSE done.action END,
    next_at = NULL,
    resolved_at = CASE WHEN done.action <> 'replayed' THEN now() END
FROM done
WHERE coalesce(e.message_id, '') = done.message_id
    AND (e.error_id = done.error_id OR (done.message_id <> '' AND e.replays <= done.replays))
    AND e.state IN ('retrying', 'parked', 'replayed');
