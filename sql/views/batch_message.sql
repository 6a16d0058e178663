CREATE OR REPLACE VIEW headgate.batch_message AS
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
    o.state AS object_state,
    b.streamed_at
FROM headgate.batch b
JOIN headgate.chunk c USING (chunk_id)
JOIN headgate.object o USING (object_id);

COMMENT ON VIEW headgate.batch_message IS 'What the message of each batch says of itself, and whether it was sent';
