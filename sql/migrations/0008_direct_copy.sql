-- Rows are copied straight into their table: what a message's body does not say comes from the transaction's settings.
DO $$
DECLARE
    made record;
BEGIN
    FOR made IN
        SELECT DISTINCT n.nspname, t.relname
        FROM headgate.dataset d
        JOIN pg_catalog.pg_namespace n ON n.nspname = d.table_schema
        JOIN pg_catalog.pg_class t ON t.relnamespace = n.oid AND t.relname = d.table_name
        WHERE t.relkind IN ('r', 'p') AND pg_catalog.pg_has_role(t.relowner, 'USAGE')
            AND (
                SELECT count(*) FROM pg_catalog.pg_attribute
                WHERE attrelid = t.oid AND attname IN ('_object_id', '_object_version') AND NOT attisdropped
            ) = 2
    LOOP
        EXECUTE format(
            'ALTER TABLE %I.%I'
            ' ALTER COLUMN _object_id SET DEFAULT current_setting(''headgate.object_id'')::bigint,'
            ' ALTER COLUMN _object_version SET DEFAULT current_setting(''headgate.object_version'')::bigint',
            made.nspname, made.relname);
    END LOOP;
END
$$;
