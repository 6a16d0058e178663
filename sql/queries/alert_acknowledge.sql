-- Somebody is at it: no reminders and no escalation until it ends.
UPDATE headgate.alert
SET state = 'acknowledged', acknowledged_at = now(), acknowledged_by = %(by)s, note = coalesce(%(note)s, note),
    changed_at = now()
WHERE alert_id = ANY (%(ids)s) AND state = 'open'
RETURNING alert_id
