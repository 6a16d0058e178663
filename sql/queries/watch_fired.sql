-- It has been told.
UPDATE headgate.watch SET fired_at = now() WHERE fingerprint = %(fingerprint)s
