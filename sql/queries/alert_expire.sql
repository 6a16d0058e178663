-- Alerts end by themselves when they have not come again in time, but not before those who wait for it have heard.
UPDATE headgate.alert a
SET state = 'resolved', resolved_at = now(), resolved_by = 'expiry', changed_at = now()
FROM headgate.alerts v
WHERE v.alert_id = a.alert_id
    AND a.state <> 'resolved'
    AND a.expires_at <= now()
    AND (
        v.state <> 'open'
        OR NOT EXISTS (SELECT FROM headgate.alert_member m WHERE m.alert_id = a.alert_id AND m.told_at IS NULL)
    )
RETURNING a.alert_id
