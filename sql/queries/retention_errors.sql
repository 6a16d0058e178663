-- Errors that nobody waits for any more.
WITH due AS (
    SELECT error_id
    FROM headgate.error e
    WHERE e.last_failed_at < now() - make_interval(
            days => nullif(coalesce((%(days)s::jsonb ->> e.dataset)::integer, %(otherwise)s), 0)
        )
        AND e.state IN ('recorded', 'resolved', 'dismissed')
    ORDER BY error_id
    LIMIT %(limit)s
),
gone AS (
    DELETE FROM headgate.error e USING due WHERE e.error_id = due.error_id AND NOT %(dry_run)s
)
SELECT count(*) FROM due;
