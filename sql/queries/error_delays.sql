-- The delays in which messages wait for their next try, in seconds. Where a consumer's clock is ahead of ours
-- the difference is none.
SELECT DISTINCT round(extract(epoch FROM next_at - last_failed_at), 3)::float8 AS seconds
FROM headgate.error
WHERE state = 'retrying' AND next_at > last_failed_at AND last_failed_at > first_failed_at;
