-- Messages of the run and their receipts.
SELECT
    count(*) AS batches_expected,
    count(r.message_id) AS batches_received
FROM headgate.object o
JOIN headgate.chunk c USING (object_id)
JOIN headgate.batch b USING (chunk_id)
LEFT JOIN headgate.receipt r USING (message_id)
WHERE o.run_id = %(run_id)s AND o.state IN ('published', 'loaded');
