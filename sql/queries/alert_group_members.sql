-- The alerts of these groups, and what their receivers know of them.
SELECT a.*, m.group_id, m.told_at, m.reminded_at, m.told_count, m.again, m.escalation
FROM headgate.alert_member m
JOIN headgate.alerts a ON a.alert_id = m.alert_id
WHERE m.group_id = ANY (%(group_ids)s)
ORDER BY a.alert_id
