-- A condition was seen so many times: one alert, whose summary is the newest. One that was seen before its end, and
-- told of after it, opens nothing.
INSERT INTO headgate.alert (
    fingerprint, kind, severity, dataset, subject, owner, summary, detail, run_id, object_id, news, count, last_event,
    raised_at, last_at, expires_at
)
SELECT
    %(fingerprint)s, %(kind)s, %(severity)s, %(dataset)s, %(subject)s, %(owner)s, %(summary)s, %(detail)s::jsonb,
    %(run_id)s, %(object_id)s, %(news)s, %(count)s, %(last_event)s, %(raised_at)s, %(last_at)s, %(expires_at)s
WHERE NOT EXISTS (
    SELECT
    FROM headgate.event later
    WHERE later.fingerprint = %(fingerprint)s
        AND later.number > %(last_event)s
        AND later.status = 'resolved'
        AND later.folded_at IS NOT NULL
)
ON CONFLICT (fingerprint) WHERE state <> 'resolved' DO UPDATE SET
    severity = excluded.severity,
    subject = excluded.subject,
    owner = excluded.owner,
    summary = excluded.summary,
    detail = excluded.detail,
    run_id = excluded.run_id,
    object_id = excluded.object_id,
    count = alert.count + excluded.count,
    last_event = excluded.last_event,
    last_at = excluded.last_at,
    expires_at = excluded.expires_at,
    changed_at = now()
RETURNING alert_id
