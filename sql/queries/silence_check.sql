-- Fails where Postgres does not take a matcher's regular expression: each is tried, as none may fail later.
SELECT bool_or('' ~ ('^(?:' || m.value || ')$'))
FROM headgate.silence s
CROSS JOIN jsonb_to_recordset(s.matchers) AS m (op text, value text)
WHERE s.silence_id = %(silence_id)s AND m.op IN ('=~', '!~')
