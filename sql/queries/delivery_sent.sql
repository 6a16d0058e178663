UPDATE headgate.delivery
SET state = 'sent', attempts = attempts + 1, sent_at = now(), problem = NULL
WHERE notification_id = %(notification_id)s AND channel = %(channel)s
