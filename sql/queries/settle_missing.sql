-- Chunks that wait for receipts.
SELECT
    o.key,
    o.object_id,
    c.chunk_id,
    c.ordinal AS chunk,
    count(*) AS batches,
    sum(b.rows)::bigint AS rows,
    bool_and(b.streamed_at IS NOT NULL) AS streamed
FROM headgate.object o
JOIN headgate.chunk c USING (object_id)
JOIN headgate.batch b USING (chunk_id)
LEFT JOIN headgate.receipt r USING (message_id)
WHERE o.run_id = %(run_id)s AND o.state = 'published' AND r.message_id IS NULL
GROUP BY o.object_id, c.chunk_id
ORDER BY o.object_id, c.ordinal
LIMIT %(limit)s;
