-- Closes runs whose DAG run is over although they never closed their books.
UPDATE headgate.run
SET state = 'failed',
    reason = coalesce(reason, 'its DAG run ended before the books were closed'),
    finished_at = now()
WHERE run_id = ANY (%(run_ids)s) AND dataset = %(dataset)s AND state = 'running'
RETURNING *;
