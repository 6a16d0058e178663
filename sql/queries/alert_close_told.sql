-- News that were told are over.
UPDATE headgate.alert
SET state = 'resolved', resolved_at = now(), resolved_by = 'told', changed_at = now()
WHERE alert_id = ANY (%(alert_ids)s) AND state <> 'resolved'
