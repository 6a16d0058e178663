-- Row numbers of the staged batch: where bisecting begins.
SELECT min(_row_number), max(_row_number) FROM {stage};
