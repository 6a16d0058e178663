-- Unless the same alert is open already.
INSERT INTO headgate.alert (kind, severity, dataset, run_id, object_id, chunk_id, message_id, summary, detail)
SELECT
    %(kind)s, %(severity)s, %(dataset)s, %(run_id)s, %(object_id)s, %(chunk_id)s, %(message_id)s, %(summary)s, %(detail)s
WHERE NOT EXISTS (
    SELECT
    FROM headgate.alert a
    WHERE a.kind = %(kind)s
        AND a.resolved_at IS NULL
        AND a.dataset IS NOT DISTINCT FROM %(dataset)s
        AND (a.run_id, a.object_id, a.chunk_id, a.message_id)
            IS NOT DISTINCT FROM (%(run_id)s, %(object_id)s, %(chunk_id)s, %(message_id)s)
)
RETURNING alert_id;
