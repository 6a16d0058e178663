-- Published objects of the run whose every message has its receipt.
UPDATE headgate.object o
SET state = 'loaded', loaded_at = now()
WHERE o.run_id = %(run_id)s
    AND o.state = 'published'
    AND NOT EXISTS (
        SELECT
        FROM headgate.chunk c
        JOIN headgate.batch b USING (chunk_id)
        LEFT JOIN headgate.receipt r USING (message_id)
        WHERE c.object_id = o.object_id AND r.message_id IS NULL
    );
