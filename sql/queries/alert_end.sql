-- The condition has ended, unless it was seen again after that. How it ended stands beside what it was.
UPDATE headgate.alert
SET state = 'resolved', resolved_at = %(at)s, resolved_by = 'event', changed_at = now(),
    detail = detail || jsonb_strip_nulls(jsonb_build_object('ended', %(ended)s::text))
WHERE fingerprint = %(fingerprint)s AND state <> 'resolved' AND last_event < %(event)s
RETURNING alert_id
