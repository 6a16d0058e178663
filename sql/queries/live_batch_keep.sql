-- The bytes of a batch until the broker has them.
INSERT INTO headgate.live_batch (message_id, body) VALUES (%(message_id)s, %(body)s);
