-- Columns of a table's primary key.
SELECT attname
FROM pg_index
JOIN pg_class ON pg_class.oid = indrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
WHERE nspname = %(schema)s AND relname = %(table)s AND indisprimary;
