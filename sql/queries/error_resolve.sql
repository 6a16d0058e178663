-- Errors of messages that have their receipt by now: their rows are where they belong.
UPDATE headgate.error e
SET state = 'resolved', resolved_at = r.applied_at, next_at = NULL
FROM headgate.receipt r
WHERE e.state IN ('retrying', 'parked', 'replayed')
  AND r.message_id = CASE WHEN pg_input_is_valid(e.message_id, 'uuid') THEN e.message_id::uuid END;
