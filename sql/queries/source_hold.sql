-- The provider asked for patience; the longest that was asked for counts.
UPDATE headgate.source
SET held_until = clock_timestamp() + %(seconds)s * interval '1 second',
    held_reason = %(reason)s,
    held_down = %(down)s
WHERE provider = %(provider)s
    AND coalesce(held_until, '-infinity') < clock_timestamp() + %(seconds)s * interval '1 second'
