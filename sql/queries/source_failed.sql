-- One failure more in a row.
UPDATE headgate.source
SET failures = failures + 1, reason = %(reason)s
WHERE provider = %(provider)s
RETURNING failures
