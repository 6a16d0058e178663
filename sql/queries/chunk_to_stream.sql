-- A lane's published chunks with batches that are not confirmed yet; older object versions first.
SELECT c.chunk_id
FROM headgate.object o
JOIN headgate.chunk c USING (object_id)
WHERE o.run_id = %(run_id)s
    AND o.state = 'published'
    AND EXISTS (SELECT FROM headgate.batch b WHERE b.chunk_id = c.chunk_id AND b.streamed_at IS NULL)
    AND c.chunk_id %% %(lanes)s = %(lane)s
ORDER BY o.version, o.object_id, c.ordinal;
