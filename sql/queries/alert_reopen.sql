-- The condition is back before anybody was told that it had ended: it is the same alert.
UPDATE headgate.alert a
SET state = 'open', resolved_at = NULL, resolved_by = NULL, acknowledged_at = NULL, acknowledged_by = NULL
WHERE a.fingerprint = %(fingerprint)s
    AND a.resolved_by = 'event'
    AND a.alert_id = (SELECT max(n.alert_id) FROM headgate.alert n WHERE n.fingerprint = %(fingerprint)s)
    AND EXISTS (SELECT FROM headgate.alert_member m WHERE m.alert_id = a.alert_id)
    AND NOT EXISTS (
        SELECT
        FROM headgate.event later
        WHERE later.fingerprint = %(fingerprint)s
            AND later.number > %(last_event)s
            AND later.status = 'resolved'
            AND later.folded_at IS NOT NULL
    )
