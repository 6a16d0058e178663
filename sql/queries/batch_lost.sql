-- A page of batches that were sent and have no receipt, of objects that are to be loaded, with all that their
-- messages say. Conditions on the failure are met by any error of the message.
SELECT
    b.message_id,
    o.dataset,
    o.contract_version,
    o.object_id,
    o.version AS object_version,
    o.lineage,
    c.chunk_id,
    c.ordinal AS chunk,
    b.ordinal AS batch,
    b.byte_offset,
    b.byte_length,
    b.rows,
    b.sha256,
    c.staged,
    o.run_id,
    o.inspection -> 'staged_columns' AS columns,
    (
        SELECT count(*)
        FROM headgate.message_replay p
        WHERE p.message_id = b.message_id::text AND p.action = 'replayed'
    ) AS replays
FROM headgate.object o
JOIN headgate.chunk c USING (object_id)
JOIN headgate.batch b USING (chunk_id)
WHERE o.state = 'published'
    AND b.streamed_at IS NOT NULL
    AND (c.chunk_id, b.ordinal) > (%(after_chunk)s, %(after_batch)s)
    AND NOT EXISTS (SELECT FROM headgate.receipt r WHERE r.message_id = b.message_id)
    AND (%(dataset)s::text[] IS NULL OR o.dataset = ANY (%(dataset)s))
    AND (%(run)s::bigint[] IS NULL OR o.run_id = ANY (%(run)s))
    AND (%(object)s::bigint[] IS NULL OR o.object_id = ANY (%(object)s))
    AND (%(chunk)s::bigint[] IS NULL OR c.chunk_id = ANY (%(chunk)s))
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
ORDER BY c.chunk_id, b.ordinal
LIMIT %(page)s;
