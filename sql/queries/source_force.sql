-- A person opens or closes it, or gives it back.
UPDATE headgate.source
SET state = %(state)s,
    forced = %(forced)s,
    failures = 0,
    reason = %(reason)s,
    opened_at = CASE WHEN %(state)s = 'open' THEN clock_timestamp() END,
    trial_until = NULL,
    held_until = NULL,
    held_reason = NULL
WHERE provider = %(provider)s
