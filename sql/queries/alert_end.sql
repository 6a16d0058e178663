-- The condition has ended, unless it was seen again after that.
UPDATE headgate.alert
SET state = 'resolved', resolved_at = %(at)s, resolved_by = 'event', changed_at = now()
WHERE fingerprint = %(fingerprint)s AND state <> 'resolved' AND last_event < %(event)s
RETURNING alert_id
