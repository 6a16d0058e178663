-- How many rows a data table holds.
SELECT count(*) FROM {table}
