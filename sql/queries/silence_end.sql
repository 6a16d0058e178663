UPDATE headgate.silence SET ends_at = now() WHERE silence_id = %(silence_id)s AND ends_at > now()
RETURNING silence_id
