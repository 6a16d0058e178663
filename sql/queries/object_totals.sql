-- What validation found, for the gate: one row for each object of the run that is not decided yet.
SELECT
    o.object_id,
    c.chunks,
    c.read,
    c.blank,
    c.accepted,
    c.rejected,
    (
        SELECT coalesce(jsonb_object_agg(rule.name, rule.rows), '{}')
        FROM (
            SELECT entry.key AS name, sum(entry.value::bigint) AS rows
            FROM headgate.chunk p
            CROSS JOIN LATERAL jsonb_each_text(p.rule_counts) entry
            WHERE p.object_id = o.object_id
            GROUP BY entry.key
        ) rule
    ) AS rule_counts
FROM headgate.object o
CROSS JOIN LATERAL (
    SELECT
        count(*) AS chunks,
        coalesce(sum(p.rows_read), 0)::bigint AS read,
        coalesce(sum(p.rows_blank), 0)::bigint AS blank,
        coalesce(sum(p.rows_accepted), 0)::bigint AS accepted,
        coalesce(sum(p.rows_rejected), 0)::bigint AS rejected
    FROM headgate.chunk p
    WHERE p.object_id = o.object_id
) c
WHERE o.run_id = %(run_id)s AND o.state IN ('inspected', 'validated')
ORDER BY o.version, o.object_id;
