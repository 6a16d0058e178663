UPDATE headgate.quarantine SET line = %(line)s, raw = %(raw)s WHERE quarantine_id = %(quarantine_id)s;
