-- What the newest failed try of each of the run's tasks said, as far as it has arrived.
SELECT DISTINCT ON (task_id) task_id, reason
FROM headgate.error
WHERE run_id = %(run_id)s AND source = 'task'
ORDER BY task_id, last_failed_at DESC;
