-- With their batches.
DELETE FROM headgate.chunk WHERE object_id = ANY (%(object_ids)s);
