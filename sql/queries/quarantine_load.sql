-- Rows that Postgres refused, in the transaction of their receipt. `line` stays NULL until the report step
-- has completed `raw` from the landing copy.
INSERT INTO headgate.quarantine
    (dataset, object_id, chunk_id, row_number, stage, rule, column_name, value, reason, raw, violations, message_id)
VALUES %s;
