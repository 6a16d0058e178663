-- The newest minute of a stream, and what is booked in it so far.
SELECT
    o.object_id,
    o.key,
    o.version,
    o.state,
    o.run_id,
    o.contract_version,
    c.chunk_id,
    c.records,
    (SELECT count(*) FROM headgate.batch b WHERE b.chunk_id = c.chunk_id) AS batches
FROM headgate.object o
JOIN headgate.chunk c USING (object_id)
WHERE o.dataset = %(dataset)s AND o.bucket = %(bucket)s AND o.state IN ('published', 'loaded')
ORDER BY o.version DESC
LIMIT 1;
