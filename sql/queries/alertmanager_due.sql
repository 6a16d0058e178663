-- Whether an Alertmanager is to be fed: something changed, or it is time to say it again. One consumer does it.
SELECT
    now() AS at,
    f.fed_at <= now() - %(every)s OR EXISTS (SELECT FROM headgate.alert a WHERE a.changed_at >= f.fed_at) AS due
FROM headgate.alertmanager_feed f
WHERE f.receiver = %(receiver)s AND f.channel = %(channel)s
FOR UPDATE SKIP LOCKED
