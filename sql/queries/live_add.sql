-- Adds what one batch of a stream had to its minute.
WITH added AS (
    UPDATE headgate.chunk c
    SET records = c.records + %(lines)s,
        rows_read = c.rows_read + %(accepted)s + %(rejected)s,
        rows_blank = c.rows_blank + %(blank)s,
        rows_accepted = c.rows_accepted + %(accepted)s,
        rows_rejected = c.rows_rejected + %(rejected)s,
        rule_counts = (
            SELECT coalesce(jsonb_object_agg(rule, rows), '{}')
            FROM (
                SELECT rule, sum(rows::bigint) AS rows
                FROM (
                    SELECT * FROM jsonb_each_text(c.rule_counts)
                    UNION ALL
                    SELECT * FROM jsonb_each_text(%(rule_counts)s)
                ) counted (rule, rows)
                GROUP BY rule
            ) summed
        )
    WHERE c.chunk_id = %(chunk_id)s
    RETURNING c.object_id
)
UPDATE headgate.object o
SET size = o.size + %(size)s
FROM added
WHERE o.object_id = added.object_id;
