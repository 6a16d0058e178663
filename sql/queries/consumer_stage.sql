-- Where a batch is copied to before it is merged: the columns of the message with the target's types,
-- without its constraints.
CREATE TEMPORARY TABLE IF NOT EXISTS {stage} ON COMMIT DELETE ROWS AS
SELECT {columns} FROM {target} WITH NO DATA;
