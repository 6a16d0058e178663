-- The broker confirmed these; a chunk is streamed with its last batch.
WITH confirmed AS (
    UPDATE headgate.batch
    SET streamed_at = now()
    WHERE message_id = ANY (%(message_ids)s) AND streamed_at IS NULL
    RETURNING message_id, chunk_id
)
UPDATE headgate.chunk c
SET state = 'streamed'
WHERE c.chunk_id IN (SELECT chunk_id FROM confirmed)
    AND NOT EXISTS (
        SELECT
        FROM headgate.batch b
        WHERE b.chunk_id = c.chunk_id
            AND b.streamed_at IS NULL
            AND b.message_id NOT IN (SELECT message_id FROM confirmed)
    );
