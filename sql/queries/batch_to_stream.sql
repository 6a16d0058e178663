-- Everything that the messages of these chunks' batches say that are not confirmed yet, in the chunks' order.
SELECT * FROM headgate.batch_message
WHERE chunk_id = ANY (%(chunk_ids)s) AND streamed_at IS NULL
ORDER BY array_position(%(chunk_ids)s, chunk_id), batch;
