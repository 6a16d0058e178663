-- All alerts that are not over.
SELECT * FROM headgate.alerts WHERE resolved_at IS NULL ORDER BY alert_id
