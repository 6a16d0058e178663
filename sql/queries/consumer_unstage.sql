-- A row that Postgres refused is not part of the batch any more.
DELETE FROM {stage} WHERE _row_number = %(row_number)s;
