-- The first transaction to claim a message applies it; a second waits for the first and then finds it taken.
-- The counts follow in receipt_close, in the same transaction. A message of a chunk whose receipts are pruned was
-- applied; none is pruned while the dataset's lock is held (see dataset_lock_shared).
INSERT INTO headgate.receipt (message_id, object_id, chunk_id, rows, consumer)
SELECT %(message_id)s, %(object_id)s, %(chunk_id)s, 0, %(consumer)s
WHERE NOT EXISTS (SELECT FROM headgate.closed_chunk WHERE chunk_id = %(chunk_id)s)
ON CONFLICT (message_id) DO NOTHING
RETURNING message_id;
