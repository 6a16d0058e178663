-- Alerts, groups and silences are changed by one at a time; what is sent to people is not under this lock.
SELECT pg_advisory_xact_lock(hashtextextended('headgate.alerts', 0))
