-- A row that Postgres refused. Its line is not in the message: the row number stands in.
INSERT INTO headgate.quarantine
    (dataset, object_id, chunk_id, row_number, line, stage, rule, column_name, value, reason, raw, violations, message_id)
VALUES
    (%(dataset)s, %(object_id)s, %(chunk_id)s, %(row_number)s, %(row_number)s, 'load', %(rule)s, %(column)s,
     %(value)s, %(reason)s, %(raw)s, %(violations)s, %(message_id)s);
