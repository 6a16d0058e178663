INSERT INTO headgate.alert_member (group_id, alert_id) VALUES (%(group_id)s, %(alert_id)s)
ON CONFLICT (group_id, alert_id) DO NOTHING
