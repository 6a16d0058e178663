-- Rejected rows come in by COPY (see reject_copy) and are then given their object.
CREATE TEMPORARY TABLE reject_stage (
    chunk_id    bigint,
    row_number  bigint,
    line        bigint,
    rule        text,
    column_name text,
    value       text,
    reason      text,
    raw         text,
    violations  jsonb
) ON COMMIT DROP;
