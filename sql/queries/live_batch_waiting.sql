-- Batches of a stream that the broker may not have, with all that their messages say, in their order.
SELECT b.*, o.inspection -> 'staged_columns' AS columns, w.body
FROM headgate.live_batch w
JOIN headgate.batch_message b USING (message_id)
JOIN headgate.object o USING (object_id)
WHERE b.dataset = %(dataset)s AND b.streamed_at IS NULL
ORDER BY b.object_id, b.batch;
