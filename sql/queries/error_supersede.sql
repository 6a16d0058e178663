-- A message that was sent again has failed again: the error of its life before is over, the new one is open.
UPDATE headgate.error
SET state = 'resolved', resolved_at = now(), next_at = NULL
WHERE message_id = nullif(%(message_id)s, '') AND replays < %(replays)s AND state IN ('retrying', 'parked', 'replayed');
