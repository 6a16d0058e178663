-- No row when the message was applied before. Waits for another transaction that applies it now.
INSERT INTO headgate.receipt (message_id, object_id, chunk_id, rows, consumer)
VALUES (%(message_id)s, %(object_id)s, %(chunk_id)s, 0, %(consumer)s)
ON CONFLICT (message_id) DO NOTHING
RETURNING message_id;
