-- Row numbers of the staged batch: where the search for a bad row begins.
SELECT min(_row_number), max(_row_number) FROM {stage};
