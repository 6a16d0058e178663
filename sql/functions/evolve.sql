-- Drift mode `evolve`: adds text columns for headers that the contract does not name, and registers the
-- contract with them as a new version. The pipeline role may not alter tables; this is its only way to.
CREATE OR REPLACE FUNCTION headgate.evolve(of_dataset text, column_names text[], headers text[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '60s'
AS $$
DECLARE
    newest   headgate.dataset;
    known    text[];
    added    jsonb := '[]';
    position integer;
BEGIN
    IF cardinality(column_names) <> cardinality(headers) OR cardinality(column_names) > 200 THEN
        RAISE EXCEPTION 'evolve takes one header for each column name, at most 200 (got % and %)',
            cardinality(column_names), cardinality(headers) USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- The lock of `contract apply`: versions of a contract come one after the other.
    PERFORM pg_advisory_xact_lock(hashtextextended('headgate.contract', 0));
    SELECT * INTO newest FROM headgate.dataset WHERE dataset = of_dataset ORDER BY version DESC LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'dataset % has no applied contract; run `headgate contract apply`', of_dataset
            USING ERRCODE = 'undefined_object';
    END IF;
    IF NOT EXISTS (
        SELECT FROM jsonb_array_elements(newest.contract -> 'customProperties') property
        WHERE property ->> 'property' = 'drift' AND property ->> 'value' = 'evolve'
    ) THEN
        RAISE EXCEPTION 'the contract of % does not say drift: evolve', of_dataset
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    SELECT coalesce(array_agg(property ->> 'name'), '{}') INTO known
    FROM jsonb_array_elements(newest.contract -> 'schema' -> 0 -> 'properties') property;

    FOR position IN 1 .. cardinality(column_names) LOOP
        CONTINUE WHEN column_names[position] = ANY (known);  -- another run was faster
        IF column_names[position] !~ '^[a-z][a-z0-9_]{0,62}$' THEN
            RAISE EXCEPTION 'not a column name: %', column_names[position]
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        EXECUTE format('ALTER TABLE %I.%I ADD COLUMN IF NOT EXISTS %I text',
                       newest.table_schema, newest.table_name, column_names[position]);
        EXECUTE format('COMMENT ON COLUMN %I.%I.%I IS %L',
                       newest.table_schema, newest.table_name, column_names[position],
                       'Column ' || headers[position] || ' of the source; added by drift mode evolve');
        added := added || jsonb_build_object(
            'name', column_names[position],
            'businessName', headers[position],
            'logicalType', 'string',
            'physicalType', 'text',
            'customProperties', jsonb_build_array(
                jsonb_build_object('property', 'aliases', 'value', jsonb_build_array(headers[position])),
                jsonb_build_object('property', 'evolved', 'value', true)));
        known := known || column_names[position];
    END LOOP;

    IF added = '[]' THEN
        RETURN newest.version;
    END IF;
    INSERT INTO headgate.dataset (dataset, version, contract, sha256, table_schema, table_name)
    VALUES (
        of_dataset,
        newest.version + 1,
        jsonb_set(newest.contract, '{schema,0,properties}',
                  (newest.contract -> 'schema' -> 0 -> 'properties') || added),
        newest.sha256,
        newest.table_schema,
        newest.table_name);
    RETURN newest.version + 1;
END
$$;
REVOKE ALL ON FUNCTION headgate.evolve FROM PUBLIC;
GRANT EXECUTE ON FUNCTION headgate.evolve TO headgate_pipeline;
