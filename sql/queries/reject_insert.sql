-- `limit` NULL: all of them; a held object keeps some as examples.
INSERT INTO headgate.quarantine
    (dataset, object_id, chunk_id, row_number, line, stage, rule, column_name, value, reason, raw, violations)
SELECT
    %(dataset)s, %(object_id)s, chunk_id, row_number, line, 'validate', rule, column_name, value, reason,
    coalesce(raw, ''), coalesce(violations, '[]')
FROM pg_temp.reject_stage
ORDER BY row_number
LIMIT %(limit)s;
