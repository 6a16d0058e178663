-- Who sent a message again, or dropped it, as long as the errors are kept. In pages as retention_errors.
WITH due AS (
    SELECT replay_id, replayed_at
    FROM headgate.message_replay r
    WHERE r.replayed_at < now() - make_interval(days => %(least)s)
        AND r.replayed_at >= coalesce(%(after)s, '-infinity'::timestamptz)
        AND r.replayed_at < now() - make_interval(
            days => nullif(coalesce((%(days)s::jsonb ->> r.dataset)::integer, %(otherwise)s), 0)
        )
        AND NOT EXISTS (
            SELECT FROM headgate.error e
            WHERE e.message_id = r.message_id AND e.state IN ('retrying', 'parked', 'replayed')
        )
    ORDER BY replayed_at
    LIMIT %(limit)s
),
gone AS (
    DELETE FROM headgate.message_replay r USING due WHERE r.replay_id = due.replay_id AND NOT %(dry_run)s
)
SELECT count(*), max(replayed_at) FROM due;
