-- The bytes of a batch, until its minute is loaded: what the broker loses is sent again.
INSERT INTO headgate.live_batch (message_id, body) VALUES (%(message_id)s, %(body)s);
