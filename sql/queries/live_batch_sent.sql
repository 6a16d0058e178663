-- The broker has these.
DELETE FROM headgate.live_batch WHERE message_id = ANY (%(message_ids)s);
