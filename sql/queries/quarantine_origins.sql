-- The objects that the matching rows come from, with what is needed to write such a row again.
-- Rows of held objects are examples only, and a row that Postgres refused is known by its text as sent until the
-- run's report step has completed it: neither can be replayed.
SELECT
    o.object_id,
    o.dataset,
    o.bucket,
    o.key,
    o.inspection,
    count(*) AS rows,
    count(*) FILTER (
        WHERE q.state = 'open' AND q.line IS NOT NULL AND o.state IN ('published', 'loaded')
    ) AS replayable
FROM headgate.quarantine_matching(
    %(dataset)s, %(object)s, %(rules)s::text[], %(column)s, %(run)s, %(since)s, %(state)s, %(ids)s::bigint[]
) matching
JOIN headgate.quarantine q USING (quarantine_id)
JOIN headgate.object o USING (object_id)
GROUP BY o.object_id
ORDER BY o.object_id;
