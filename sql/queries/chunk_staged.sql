UPDATE headgate.chunk
SET state = 'staged',
    rows_read = %(read)s,
    rows_blank = %(blank)s,
    rows_accepted = %(accepted)s,
    rows_rejected = %(rejected)s,
    rule_counts = %(rule_counts)s,
    staged = %(staged)s,
    staged_at = now()
WHERE chunk_id = %(chunk_id)s;
