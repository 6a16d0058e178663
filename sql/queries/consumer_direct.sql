-- Before rows are copied straight into the table: what its column defaults take for _object_id and
-- _object_version, and a short patience with rows that another consumer has under way, as a file's order is not
-- the order of keys in which consumers may wait for each other.
-- Yields the index of the primary key, by whose name a refusal tells that a row is there already; no row where the
-- table cannot be copied into: made before it had these defaults, no such key, or with policies or rules.
SELECT
    (SELECT relname FROM pg_catalog.pg_class WHERE oid = i.indexrelid) AS key_index,
    set_config('headgate.object_id', %(object_id)s::bigint::text, true),
    set_config('headgate.object_version', %(version)s::bigint::text, true),
    set_config('lock_timeout', '200ms', true)
FROM pg_catalog.pg_class t
JOIN pg_catalog.pg_index i ON i.indrelid = t.oid AND i.indisprimary AND i.indisvalid AND i.indimmediate
WHERE t.oid = %(table)s::regclass
    AND t.relkind IN ('r', 'p')
    AND NOT t.relhasrules
    AND NOT row_security_active(t.oid)
    AND (
        SELECT array_agg(attname::text ORDER BY attname)
        FROM pg_catalog.pg_attribute
        WHERE attrelid = t.oid AND attnum = ANY (i.indkey)
    ) = %(key)s::text[]
    AND (
        SELECT count(*)
        FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = t.oid
            AND strpos(pg_get_expr(d.adbin, d.adrelid), 'headgate.' || ltrim(a.attname, '_')) > 0
            AND a.attname IN ('_object_id', '_object_version')
    ) = 2;
