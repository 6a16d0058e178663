-- A message for one receiver, and a delivery for each way to it.
WITH message AS (
    INSERT INTO headgate.notification (receiver, reason, severity, title, body, alert_ids)
    VALUES (%(receiver)s, %(reason)s, %(severity)s, %(title)s, %(body)s, %(alert_ids)s)
    RETURNING notification_id
)
INSERT INTO headgate.delivery (notification_id, channel)
SELECT m.notification_id, channel FROM message m, unnest(%(channels)s::text[]) AS channel
