-- Errors of tasks before a run that has succeeded: it took up what they left.
UPDATE headgate.error
SET state = 'resolved', resolved_at = now()
WHERE dataset = %(dataset)s AND state = 'recorded';
