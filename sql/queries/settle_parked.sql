-- Messages of the run that lie in parking. One that was replayed is on its way again, or has failed once more. One
-- of before a restore only has the same id: the run's own message is another.
SELECT DISTINCT ON (b.message_id) b.message_id, e.error_id, e.reason
FROM headgate.error e
JOIN headgate.batch b
    ON b.message_id = CASE WHEN pg_input_is_valid(e.message_id, 'uuid') THEN e.message_id::uuid END
JOIN headgate.chunk c ON c.chunk_id = b.chunk_id
JOIN headgate.object o ON o.object_id = c.object_id
WHERE e.state = 'parked'
    AND e.cause NOT IN ('unknown_object', 'conflict')
    AND o.run_id = %(run_id)s
    AND o.state = 'published'
    AND NOT EXISTS (SELECT FROM headgate.receipt r WHERE r.message_id = b.message_id)
    AND NOT EXISTS (SELECT FROM headgate.error n WHERE n.message_id = e.message_id AND n.replays > e.replays)
ORDER BY b.message_id, e.error_id;
