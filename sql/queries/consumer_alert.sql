-- One open alert of a kind for a message, however often it is delivered.
INSERT INTO headgate.alert (kind, severity, dataset, object_id, chunk_id, message_id, summary, detail)
SELECT %(kind)s, %(severity)s, %(dataset)s, %(object_id)s, %(chunk_id)s, %(message_id)s, %(summary)s, %(detail)s
WHERE NOT EXISTS (
    SELECT FROM headgate.alert AS a
    WHERE a.message_id = %(message_id)s AND a.kind = %(kind)s AND a.resolved_at IS NULL
);
