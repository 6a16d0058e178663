-- Providers as they stand, and their calls of the last day.
SELECT
    provider,
    state,
    forced,
    reason,
    opened_at,
    CASE WHEN held_until > now() THEN held_until END AS held_until,
    CASE WHEN held_until > now() THEN held_reason END AS held_reason,
    (
        SELECT count(*)
        FROM headgate.source_call AS c
        WHERE c.provider = s.provider AND c.counted_at > now() - interval '1 day'
    ) AS calls_of_day
FROM headgate.source AS s
