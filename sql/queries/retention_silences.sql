-- Silences that are over. In pages as retention_errors.
WITH due AS (
    SELECT silence_id, ends_at
    FROM headgate.silence
    WHERE ends_at < now() - make_interval(days => nullif(%(otherwise)s, 0))
        AND ends_at >= coalesce(%(after)s, '-infinity'::timestamptz)
    ORDER BY ends_at
    LIMIT %(limit)s
),
gone AS (
    DELETE FROM headgate.silence s USING due WHERE s.silence_id = due.silence_id AND NOT %(dry_run)s
)
SELECT count(*), max(ends_at) FROM due;
