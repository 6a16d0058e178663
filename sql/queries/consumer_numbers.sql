-- Row numbers of the staged batch: where the search for a bad row begins.
SELECT _row_number FROM {stage} ORDER BY _row_number;
