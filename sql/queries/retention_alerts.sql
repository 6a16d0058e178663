-- Resolved alerts.
WITH due AS (
    SELECT alert_id
    FROM headgate.alert a
    WHERE a.resolved_at < now() - make_interval(
            days => nullif(coalesce((%(days)s::jsonb ->> a.dataset)::integer, %(otherwise)s), 0)
        )
        AND a.state = 'resolved'
    ORDER BY alert_id
    LIMIT %(limit)s
),
gone AS (
    DELETE FROM headgate.alert a USING due WHERE a.alert_id = due.alert_id AND NOT %(dry_run)s
)
SELECT count(*) FROM due;
