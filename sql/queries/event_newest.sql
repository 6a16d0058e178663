-- What was told last of a condition.
SELECT status FROM headgate.event WHERE fingerprint = %(fingerprint)s ORDER BY number DESC LIMIT 1
