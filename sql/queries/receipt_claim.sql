-- The first transaction to claim a message applies it; a second waits for the first and then finds it taken.
-- The counts follow in receipt_close, in the same transaction.
INSERT INTO headgate.receipt (message_id, object_id, chunk_id, rows, consumer)
VALUES (%(message_id)s, %(object_id)s, %(chunk_id)s, 0, %(consumer)s)
ON CONFLICT (message_id) DO NOTHING
RETURNING message_id;
