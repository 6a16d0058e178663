-- An attempt did not succeed: again after a pause, or never.
UPDATE headgate.delivery
SET state = CASE WHEN %(pause)s IS NULL THEN 'failed' ELSE 'pending' END,
    attempts = attempts + 1,
    next_at = now() + coalesce(%(pause)s, interval '0'),
    problem = %(problem)s
WHERE notification_id = %(notification_id)s AND channel = %(channel)s
