UPDATE headgate.run
SET state = %(state)s, reason = %(reason)s, finished_at = now()
WHERE run_id = %(run_id)s
RETURNING *;
