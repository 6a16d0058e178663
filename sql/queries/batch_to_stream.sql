-- Everything that the message of a batch says, for the batches of a chunk that are not confirmed yet.
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
    o.run_id
FROM headgate.batch b
JOIN headgate.chunk c USING (chunk_id)
JOIN headgate.object o USING (object_id)
WHERE b.chunk_id = %(chunk_id)s AND b.streamed_at IS NULL
ORDER BY b.ordinal;
