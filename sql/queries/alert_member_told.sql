-- What the receivers of a group know now.
UPDATE headgate.alert_member
SET told_at = coalesce(told_at, now()), reminded_at = now(), told_count = %(count)s, again = %(again)s
WHERE group_id = %(group_id)s AND alert_id = %(alert_id)s
