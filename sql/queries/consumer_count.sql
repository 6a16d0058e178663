-- Rows of a part of the staged batch: numbers are missing where a row did not get so far.
SELECT count(*) FROM {stage} s;
