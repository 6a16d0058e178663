-- Columns of a table with their types as Postgres names them, in their order; no row when there is no table.
SELECT attname, format_type(atttypid, atttypmod), attnotnull
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = %(schema)s AND relname = %(table)s AND attnum > 0 AND NOT attisdropped
ORDER BY attnum;
