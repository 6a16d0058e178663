-- All alerts that are not over.
SELECT * FROM headgate.alerts WHERE state <> 'resolved' ORDER BY alert_id
