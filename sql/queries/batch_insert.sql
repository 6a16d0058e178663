-- A chunk's id, then the fields of a StagedBatch in their order.
INSERT INTO headgate.batch
    (chunk_id, message_id, ordinal, byte_offset, byte_length, rows, first_row, last_row, sha256)
VALUES %s;
