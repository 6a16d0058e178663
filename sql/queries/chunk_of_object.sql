SELECT
    chunk_id, object_id, ordinal, source, first_row, first_line, records,
    state, staged, rows_read, rows_rejected, rule_counts
FROM headgate.chunk
WHERE object_id = %(object_id)s
ORDER BY ordinal;
