-- The condition is back before anybody was told that it had ended: it is the same alert.
UPDATE headgate.alert a
SET state = 'open', resolved_at = NULL, resolved_by = NULL, acknowledged_at = NULL, acknowledged_by = NULL
WHERE a.fingerprint = %(fingerprint)s
    AND a.state = 'resolved'
    AND EXISTS (SELECT FROM headgate.alert_member m WHERE m.alert_id = a.alert_id)
    AND NOT EXISTS (SELECT FROM headgate.alert o WHERE o.fingerprint = %(fingerprint)s AND o.state <> 'resolved')
    AND a.alert_id = (SELECT max(n.alert_id) FROM headgate.alert n WHERE n.fingerprint = %(fingerprint)s)
