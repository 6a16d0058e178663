-- Resolved alerts. In pages as retention_errors.
WITH due AS (
    SELECT alert_id, resolved_at
    FROM headgate.alert a
    WHERE a.resolved_at < now() - make_interval(days => %(least)s)
        AND a.resolved_at >= coalesce(%(after)s, '-infinity'::timestamptz)
        AND a.resolved_at < now() - make_interval(
            days => nullif(coalesce((%(days)s::jsonb ->> a.dataset)::integer, %(otherwise)s), 0)
        )
    ORDER BY resolved_at
    LIMIT %(limit)s
),
gone AS (
    DELETE FROM headgate.alert a USING due WHERE a.alert_id = due.alert_id AND NOT %(dry_run)s
)
SELECT count(*), max(resolved_at) FROM due;
