-- Events that were recorded, newest first.
SELECT
    event_id, kind, dataset, subject, severity, status, fingerprint, recorded_at, published_at,
    body #>> '{data,summary}' AS summary,
    body
FROM headgate.event
WHERE (%(dataset)s IS NULL OR dataset = %(dataset)s)
  AND (%(kind)s IS NULL OR kind = %(kind)s)
  AND (%(status)s IS NULL OR status = %(status)s)
  AND (%(since)s IS NULL OR recorded_at >= %(since)s::timestamptz)
ORDER BY number DESC
LIMIT %(limit)s
