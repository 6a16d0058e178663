-- A group was looked at. One without members begins anew.
UPDATE headgate.alert_group g
SET next_at = %(next_at)s,
    held = %(held)s,
    flushed_at = now(),
    sent_at = CASE WHEN %(sent)s THEN now() ELSE g.sent_at END
WHERE g.group_id = %(group_id)s
