-- Messages to people that were sent or given up, with their deliveries. In pages as retention_errors.
WITH due AS (
    SELECT notification_id, created_at
    FROM headgate.notification n
    WHERE n.created_at < now() - make_interval(days => nullif(%(otherwise)s, 0))
        AND n.created_at >= coalesce(%(after)s, '-infinity'::timestamptz)
        AND NOT EXISTS (
            SELECT FROM headgate.delivery d
            WHERE d.notification_id = n.notification_id AND d.state = 'pending'
        )
    ORDER BY created_at
    LIMIT %(limit)s
),
gone AS (
    DELETE FROM headgate.notification n USING due
    WHERE n.notification_id = due.notification_id AND NOT %(dry_run)s
)
SELECT count(*), max(created_at) FROM due;
