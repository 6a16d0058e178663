-- A message's rows into a staging table, or straight into the dataset's table.
-- NULL is an empty unquoted field, the empty text is "".
COPY {into} ({columns}) FROM STDIN WITH (FORMAT csv, ENCODING 'UTF8');
