-- Rows of the run that Postgres refused, whose line and raw text the report step completes.
SELECT q.quarantine_id, q.object_id, q.chunk_id, q.row_number
FROM headgate.object o
JOIN headgate.quarantine q USING (object_id)
WHERE o.run_id = %(run_id)s AND q.line IS NULL AND q.stage = 'load'
ORDER BY q.object_id, q.row_number;
