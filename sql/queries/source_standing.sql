-- How a provider stands; locked, as the answer decides who may call. Times left are in seconds.
SELECT
    state,
    forced,
    reason,
    coalesce(extract(epoch FROM trial_until - clock_timestamp()), 0)::float8 AS trial_left,
    coalesce(
        extract(epoch FROM opened_at + %(rest)s * interval '1 second' - clock_timestamp()), 0
    )::float8 AS rest_left,
    opened_at + %(rest)s * interval '1 second' AS rests_until,
    coalesce(extract(epoch FROM held_until - clock_timestamp()), 0)::float8 AS hold_left,
    held_until,
    held_reason,
    held_down
FROM headgate.source
WHERE provider = %(provider)s
FOR UPDATE
