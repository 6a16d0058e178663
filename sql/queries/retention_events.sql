-- Events that everyone has, the oldest first, but none that is newer than one that all keep; the newest of a
-- condition that still lasts tells that it does, and its end stays as long as anything before it. In pages as
-- retention_errors.
WITH young AS (
    SELECT number
    FROM headgate.event
    WHERE recorded_at >= now() - make_interval(days => %(least)s)
    ORDER BY recorded_at
    LIMIT 1
),
due AS (
    SELECT event_id, number
    FROM headgate.event e
    WHERE e.number > coalesce(%(after)s, 0)
        AND e.number < coalesce((SELECT number FROM young), 9223372036854775807)
        AND e.recorded_at < now() - make_interval(
            days => nullif(coalesce((%(days)s::jsonb ->> e.dataset)::integer, %(otherwise)s), 0)
        )
        AND e.published_at IS NOT NULL
        AND e.folded_at IS NOT NULL
        AND NOT (
            e.status = 'firing'
            AND NOT EXISTS (
                SELECT FROM headgate.event n WHERE n.fingerprint = e.fingerprint AND n.number > e.number
            )
        )
        AND NOT EXISTS (
            SELECT FROM headgate.event o
            WHERE o.fingerprint = e.fingerprint
                AND o.number < e.number
                AND (o.published_at IS NULL OR o.folded_at IS NULL)
        )
    ORDER BY number
    LIMIT %(limit)s
),
gone AS (
    DELETE FROM headgate.event e USING due WHERE e.event_id = due.event_id AND NOT %(dry_run)s
)
SELECT count(*), max(number) FROM due;
