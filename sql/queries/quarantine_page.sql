-- A page of quarantined rows, oldest first.
SELECT
    q.quarantine_id AS id,
    q.dataset,
    o.key AS object,
    q.object_id,
    o.run_id,
    q.row_number,
    q.line,
    q.stage,
    q.rule,
    q.column_name AS "column",
    q.reason,
    q.value,
    q.raw,
    q.violations,
    q.state,
    o.state AS object_state,
    q.created_at,
    q.resolved_at,
    q.resolved_by,
    q.note,
    q.replay_key
FROM headgate.quarantine_matching(
    %(dataset)s, %(object)s, %(rules)s::text[], %(column)s, %(run)s, %(since)s, %(state)s, %(ids)s::bigint[]
) matching
JOIN headgate.quarantine q USING (quarantine_id)
JOIN headgate.object o USING (object_id)
WHERE q.quarantine_id > %(after)s
ORDER BY q.quarantine_id
LIMIT %(page)s;
