-- Only open rows; who did it and why is kept.
UPDATE headgate.quarantine q
SET state = 'dismissed', resolved_at = now(), resolved_by = %(by)s, note = %(note)s
WHERE q.state = 'open'
    AND q.quarantine_id IN (
        SELECT quarantine_id FROM headgate.quarantine_matching(
    %(dataset)s, %(object)s, %(rules)s::text[], %(column)s, %(run)s, %(since)s, %(state)s, %(ids)s::bigint[]
)
    );
