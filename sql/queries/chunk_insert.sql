INSERT INTO headgate.chunk (object_id, ordinal, source, first_row, first_line, records) VALUES %s;
