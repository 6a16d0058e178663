-- Messages of the run that a consumer could not apply and parked; one that was replayed has its receipt.
SELECT DISTINCT ON (b.message_id) b.message_id, a.summary
FROM headgate.object o
JOIN headgate.chunk c USING (object_id)
JOIN headgate.batch b USING (chunk_id)
JOIN headgate.alert a ON a.message_id = b.message_id AND a.kind = 'message.parked' AND a.resolved_at IS NULL
LEFT JOIN headgate.receipt r ON r.message_id = b.message_id
WHERE o.run_id = %(run_id)s AND o.state = 'published' AND r.message_id IS NULL
ORDER BY b.message_id, a.alert_id DESC;
