-- When the nth newest call was counted (milliseconds of the epoch); one that is under way counts as now.
SELECT least(floor(extract(epoch FROM counted_at) * 1000)::bigint, %(now_ms)s)
FROM headgate.source_call
WHERE provider = %(provider)s
ORDER BY counted_at DESC
OFFSET %(offset)s
LIMIT 1
