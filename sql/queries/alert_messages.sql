-- What was sent of an alert, and how each way of it fared.
SELECT n.notification_id, n.receiver, n.reason, n.title, n.created_at, d.channel, d.state, d.attempts, d.sent_at, d.problem
FROM headgate.notification n
JOIN headgate.delivery d ON d.notification_id = n.notification_id
WHERE n.alert_ids @> ARRAY[%(alert_id)s::bigint]
ORDER BY n.notification_id, d.channel
