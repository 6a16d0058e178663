-- A part of the staged batch, to find the row that the whole failed for.
INSERT INTO {part} SELECT * FROM {stage} WHERE _row_number BETWEEN %(first)s AND %(last)s;
