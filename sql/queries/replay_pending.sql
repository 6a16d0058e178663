-- One replay object that was not put yet; one that another process is putting is left to it.
SELECT replay_key, bucket, object_id, rows, body
FROM headgate.replay
WHERE put_at IS NULL AND (%(dataset)s::text IS NULL OR dataset = %(dataset)s)
ORDER BY created_at, replay_key
LIMIT 1
FOR UPDATE SKIP LOCKED;
