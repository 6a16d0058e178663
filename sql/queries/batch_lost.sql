-- A page of batches that were sent and have no receipt, of objects that are to be loaded, with all that their
-- messages say. Conditions on the failure are met by any error of the message.
SELECT
    b.*,
    o.inspection -> 'staged_columns' AS columns,
    (
        SELECT count(*)
        FROM headgate.message_replay p
        WHERE p.message_id = b.message_id::text AND p.action = 'replayed'
    ) AS replays
FROM headgate.batch_message b
JOIN headgate.object o USING (object_id)
WHERE b.object_state = 'published'
    AND b.streamed_at IS NOT NULL
    AND (b.chunk_id, b.batch) > (%(after_chunk)s, %(after_batch)s)
    AND NOT EXISTS (SELECT FROM headgate.receipt r WHERE r.message_id = b.message_id)
    AND (%(dataset)s::text[] IS NULL OR b.dataset = ANY (%(dataset)s))
    AND (%(run)s::bigint[] IS NULL OR b.run_id = ANY (%(run)s))
    AND (%(object)s::bigint[] IS NULL OR b.object_id = ANY (%(object)s))
    AND (%(chunk)s::bigint[] IS NULL OR b.chunk_id = ANY (%(chunk)s))
    AND (%(message)s::text[] IS NULL OR b.message_id::text = ANY (%(message)s))
    AND (
        NOT %(of_errors)s
        OR EXISTS (
            SELECT
            FROM headgate.error e
            JOIN headgate.error_matching(
                NULL, NULL, NULL, NULL, %(cause)s::text[], %(failure_class)s::text[], %(error)s::bigint[], NULL,
                %(since)s::timestamptz, %(reason)s::text, NULL
            ) matching USING (error_id)
            WHERE e.message_id = b.message_id::text
        )
    )
ORDER BY b.chunk_id, b.batch
LIMIT %(page)s;
