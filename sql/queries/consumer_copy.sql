-- NULL is an empty unquoted field, the empty text is "".
COPY {stage} ({columns}) FROM STDIN WITH (FORMAT csv, ENCODING 'UTF8');
