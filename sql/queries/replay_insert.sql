INSERT INTO headgate.replay (replay_key, dataset, bucket, object_id, rows, body, created_by)
VALUES (%(replay_key)s, %(dataset)s, %(bucket)s, %(object_id)s, %(rows)s, %(body)s, %(by)s);
