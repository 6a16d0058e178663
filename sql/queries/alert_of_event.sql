-- The alert that news of this event became.
SELECT alert_id FROM headgate.alert WHERE fingerprint = %(event_id)s
