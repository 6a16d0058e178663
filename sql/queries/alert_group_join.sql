-- The group of these labels looks at its alerts after group_wait when it is new, else when its interval is over.
INSERT INTO headgate.alert_group (group_key, route, labels, group_interval, next_at)
VALUES (%(group_key)s, %(route)s, %(labels)s, %(group_interval)s, now() + %(group_wait)s)
ON CONFLICT (group_key) DO UPDATE SET
    group_interval = excluded.group_interval,
    next_at = CASE
        WHEN alert_group.flushed_at IS NULL THEN alert_group.next_at
        ELSE least(alert_group.next_at, greatest(now(), alert_group.flushed_at + excluded.group_interval))
    END
RETURNING group_id
