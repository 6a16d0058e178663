-- Silences that last, or all.
SELECT silence_id, matchers, starts_at, ends_at, note, created_by
FROM headgate.silence
WHERE ends_at > now() OR %(ended)s
ORDER BY silence_id
