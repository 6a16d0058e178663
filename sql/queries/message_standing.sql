-- Whether a message is applied, or the books of a published object wait for it.
SELECT
    EXISTS (SELECT FROM headgate.receipt WHERE message_id = %(message_id)s) AS applied,
    EXISTS (
        SELECT
        FROM headgate.batch b
        JOIN headgate.chunk c USING (chunk_id)
        JOIN headgate.object o USING (object_id)
        WHERE b.message_id = %(message_id)s
            AND o.state = 'published'
            AND NOT EXISTS (SELECT FROM headgate.receipt r WHERE r.message_id = b.message_id)
    ) AS awaited;
