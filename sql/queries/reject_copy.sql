COPY pg_temp.reject_stage (chunk_id, row_number, line, rule, column_name, value, reason, raw, violations)
FROM STDIN (FORMAT csv, ENCODING 'UTF8');
