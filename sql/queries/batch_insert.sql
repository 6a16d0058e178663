INSERT INTO headgate.batch
    (message_id, chunk_id, ordinal, byte_offset, byte_length, rows, first_row, last_row, sha256)
VALUES %s;
