-- Another state, unless it is that already or a person holds it; the state before.
WITH before AS (
    SELECT provider, state, reason, failures FROM headgate.source WHERE provider = %(provider)s FOR UPDATE
)
UPDATE headgate.source AS s
SET state = %(state)s,
    opened_at = CASE WHEN %(state)s = 'open' THEN clock_timestamp() ELSE s.opened_at END,
    failures = CASE WHEN %(state)s = 'closed' THEN 0 ELSE s.failures END,
    trial_until = CASE WHEN %(state)s = 'half-open' THEN s.trial_until END
FROM before
WHERE s.provider = before.provider AND before.state <> %(state)s AND NOT s.forced
RETURNING before.state, before.reason, before.failures
