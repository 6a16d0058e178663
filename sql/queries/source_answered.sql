-- No failure in a row any more.
UPDATE headgate.source
SET failures = 0
WHERE provider = %(provider)s AND failures > 0
