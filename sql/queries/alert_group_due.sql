-- Groups that are to be looked at, and the database's time.
SELECT group_id, route, labels, sent_at, held, now() AS at
FROM headgate.alert_group
WHERE next_at <= now()
ORDER BY group_id
LIMIT %(limit)s
