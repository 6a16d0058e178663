-- Alerts in these states, what happened last first.
SELECT *
FROM headgate.alerts
WHERE state = ANY (%(states)s)
    AND (resolved_at IS NULL OR 'resolved' = ANY (%(states)s))  -- the same, for the index
    AND (%(dataset)s::text IS NULL OR dataset = %(dataset)s)
    AND (%(kind)s::text IS NULL OR kind = %(kind)s)
    AND (%(severity)s::text IS NULL OR severity = %(severity)s)
    AND (%(since)s::timestamptz IS NULL OR last_at >= %(since)s)
    AND (%(ids)s::bigint[] IS NULL OR alert_id = ANY (%(ids)s))
ORDER BY last_at DESC, alert_id DESC
LIMIT %(limit)s
