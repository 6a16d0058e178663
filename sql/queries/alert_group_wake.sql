-- Something became of these alerts: their groups look at them when their interval is over.
UPDATE headgate.alert_group g
SET next_at = CASE
    WHEN g.flushed_at IS NULL THEN g.next_at
    ELSE least(g.next_at, greatest(now(), g.flushed_at + g.group_interval))
END
WHERE g.group_id IN (SELECT m.group_id FROM headgate.alert_member m WHERE m.alert_id = ANY (%(alert_ids)s))
