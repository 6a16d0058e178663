-- The four roles and their rights on the database, run by whoever may create roles.
-- headgate_owner     owns the schemas; migrations and `contract apply`; not a superuser
-- headgate_loader    the database consumer: data tables, receipts, rows that Postgres refused
-- headgate_pipeline  Airflow tasks and the command line: the ledger; no data table is written
-- headgate_reader    people, dashboards: SELECT only
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['headgate_owner', 'headgate_loader', 'headgate_pipeline', 'headgate_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I LOGIN', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database of this server is being migrated at the same moment
            END;
        END IF;
    END LOOP;

    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AND current_user <> 'headgate_owner' THEN
        EXECUTE format('GRANT headgate_owner TO %I', current_user);
    END IF;

    IF (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database()) THEN
        EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO headgate_owner, headgate_loader, headgate_pipeline, '
                       'headgate_reader', current_database());
        EXECUTE format('GRANT CREATE ON DATABASE %I TO headgate_owner', current_database());
        -- Rows are copied into a temporary table before they are merged.
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO headgate_loader, headgate_pipeline', current_database());
    END IF;
END
$$;
