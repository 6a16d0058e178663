-- A person says that it is over. If it is not, its next event opens another.
UPDATE headgate.alert
SET state = 'resolved', resolved_at = now(), resolved_by = %(by)s, note = coalesce(%(note)s, note), changed_at = now()
WHERE alert_id = ANY (%(ids)s) AND state <> 'resolved'
RETURNING alert_id
