-- Everything that the message of a batch says, for the batches of a chunk that are not confirmed yet.
SELECT * FROM headgate.batch_message
WHERE chunk_id = %(chunk_id)s AND streamed_at IS NULL
ORDER BY batch;
