-- The oldest delivery that is due, that nobody else has in hand and whose channel is not at rest.
SELECT d.notification_id, d.channel, d.attempts, n.receiver, n.reason, n.severity, n.title, n.body,
    n.created_at < now() - %(patience)s AS old
FROM headgate.delivery d
JOIN headgate.notification n ON n.notification_id = d.notification_id
WHERE d.state = 'pending'
    AND d.next_at <= now()
    AND n.receiver || ' ' || d.channel <> ALL (%(resting)s)
ORDER BY d.notification_id, d.channel
LIMIT 1
FOR UPDATE OF d SKIP LOCKED
