-- A part of the staged batch, in the place of the whole, to find the row that the whole failed for.
(SELECT * FROM {stage} WHERE _row_number BETWEEN {first} AND {last})
