-- What an Alertmanager is to know: what is wrong, and for a while what is no longer.
SELECT *
FROM headgate.alerts
WHERE NOT news AND silenced_until IS NULL AND (resolved_at IS NULL OR resolved_at > now() - interval '15 minutes')
ORDER BY alert_id
