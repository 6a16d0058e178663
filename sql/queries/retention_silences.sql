-- Silences that are over.
WITH due AS (
    SELECT silence_id
    FROM headgate.silence
    WHERE ends_at < now() - make_interval(days => nullif(%(otherwise)s, 0))
    ORDER BY silence_id
    LIMIT %(limit)s
),
gone AS (
    DELETE FROM headgate.silence s USING due WHERE s.silence_id = due.silence_id AND NOT %(dry_run)s
)
SELECT count(*) FROM due;
