-- Errors that nobody waits for any more, those that failed first before the others. What is kept longer is passed
-- over once: the next call goes on at the last of these.
WITH due AS (
    SELECT error_id, last_failed_at
    FROM headgate.error e
    WHERE e.last_failed_at < now() - make_interval(days => %(least)s)
        AND e.last_failed_at >= coalesce(%(after)s, '-infinity'::timestamptz)
        AND e.last_failed_at < now() - make_interval(
            days => nullif(coalesce((%(days)s::jsonb ->> e.dataset)::integer, %(otherwise)s), 0)
        )
        AND e.state IN ('recorded', 'resolved', 'dismissed')
    ORDER BY last_failed_at
    LIMIT %(limit)s
),
gone AS (
    DELETE FROM headgate.error e USING due WHERE e.error_id = due.error_id AND NOT %(dry_run)s
)
SELECT count(*), max(last_failed_at) FROM due;
