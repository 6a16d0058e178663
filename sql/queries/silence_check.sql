-- Fails where Postgres does not take a matcher's regular expression.
SELECT headgate.silenced_until('{}')
