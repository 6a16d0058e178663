-- The bytes of a batch of a stream; none, when it is of a file or its minute is loaded.
SELECT body FROM headgate.live_batch WHERE message_id = %(message_id)s;
