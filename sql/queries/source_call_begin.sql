-- A call: until it is answered it may be counted at any time.
INSERT INTO headgate.source_call (provider, counted_at)
VALUES (%(provider)s, clock_timestamp() + %(longest)s * interval '1 second')
RETURNING call_id
