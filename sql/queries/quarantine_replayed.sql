UPDATE headgate.quarantine
SET state = 'replayed', replay_key = %(replay_key)s, resolved_at = now(), resolved_by = %(by)s
WHERE quarantine_id = ANY (%(ids)s) AND state = 'open';
