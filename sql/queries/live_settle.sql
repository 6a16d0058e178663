-- Minutes that are over and whose every message has its receipt are loaded, and their bytes go; how many.
WITH loaded AS (
    UPDATE headgate.object o
    SET state = 'loaded', loaded_at = now(), staging_pruned_at = now()
    WHERE o.dataset = %(dataset)s
        AND o.bucket = %(bucket)s
        AND o.state = 'published'
        AND o.last_modified < %(before)s
        AND NOT EXISTS (
            SELECT
            FROM headgate.chunk c
            JOIN headgate.batch b USING (chunk_id)
            LEFT JOIN headgate.receipt r USING (message_id)
            WHERE c.object_id = o.object_id AND r.message_id IS NULL
        )
    RETURNING o.object_id
),

done_with AS (
    DELETE FROM headgate.live_batch w
    USING loaded JOIN headgate.chunk c USING (object_id) JOIN headgate.batch b USING (chunk_id)
    WHERE w.message_id = b.message_id
)

SELECT count(*) FROM loaded;
