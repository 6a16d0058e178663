-- How many errors match, by dataset, cause and state.
SELECT e.dataset, e.cause, e.state, count(*) AS errors
FROM headgate.error_matching(
    %(dataset)s::text[], %(run)s::bigint[], %(object)s::bigint[], %(chunk)s::bigint[], %(cause)s::text[],
    %(failure_class)s::text[], %(error)s::bigint[], %(message)s::text[], %(since)s::timestamptz, %(reason)s::text,
    %(states)s::text[]
) matching
JOIN headgate.error e USING (error_id)
GROUP BY e.dataset, e.cause, e.state
ORDER BY e.dataset, e.cause, e.state;
