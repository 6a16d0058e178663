-- How far a run is: what `headgate run --wait` draws. Batches of objects that are not published do not count.
WITH o AS (
    SELECT object_id, state FROM headgate.object WHERE run_id = %(run_id)s
), c AS (
    SELECT c.chunk_id, c.state, o.state IN ('published', 'loaded') AS published
    FROM headgate.chunk c JOIN o USING (object_id)
), b AS (
    SELECT count(*) AS batches,
           count(b.streamed_at) AS streamed,
           coalesce(sum(b.rows), 0)::bigint AS rows_expected,
           count(r.message_id) AS receipts,
           coalesce(sum(r.rows), 0)::bigint AS rows_received
    FROM c
    JOIN headgate.batch b USING (chunk_id)
    LEFT JOIN headgate.receipt r USING (message_id)
    WHERE c.published
)
SELECT (SELECT count(*) FROM o) AS objects,
       (SELECT count(*) FROM o WHERE state <> 'found') AS objects_inspected,
       (SELECT count(*) FROM c) AS chunks,
       (SELECT count(*) FROM c WHERE state <> 'planned') AS chunks_staged,
       b.batches, b.streamed, b.receipts, b.rows_expected, b.rows_received
FROM b;
