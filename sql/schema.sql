CREATE SCHEMA headgate;
ALTER SCHEMA headgate OWNER TO headgate_owner;
COMMENT ON SCHEMA headgate IS 'Control plane of Headgate: what was read, where each row went';
CREATE TABLE headgate.error (
    error_id bigint NOT NULL,
    error_key uuid NOT NULL,
    source text NOT NULL,
    class text NOT NULL,
    cause text NOT NULL,
    reason text NOT NULL,
    trace text,
    dataset text NOT NULL,
    run_id bigint,
    object_id bigint,
    chunk_id bigint,
    message_id text,
    replays integer DEFAULT 0 NOT NULL,
    queue text,
    consumer text,
    attempts integer DEFAULT 1 NOT NULL,
    state text NOT NULL,
    first_failed_at timestamp with time zone NOT NULL,
    last_failed_at timestamp with time zone NOT NULL,
    next_at timestamp with time zone,
    resolved_at timestamp with time zone,
    traceparent text,
    dag_id text,
    dag_run_id text,
    task_id text,
    map_index integer,
    try_number integer,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT error_check CHECK (((next_at IS NOT NULL) = (state = 'retrying'::text))),
    CONSTRAINT error_class_check CHECK ((class = ANY (ARRAY['retriable'::text, 'data'::text, 'fatal'::text]))),
    CONSTRAINT error_source_check CHECK ((source = ANY (ARRAY['consumer'::text, 'task'::text, 'broker'::text]))),
    CONSTRAINT error_state_check CHECK ((state = ANY (ARRAY['retrying'::text, 'parked'::text, 'replayed'::text, 'resolved'::text, 'recorded'::text, 'dismissed'::text])))
);
ALTER TABLE headgate.error OWNER TO headgate_owner;
CREATE FUNCTION headgate.error_matching(datasets text[], runs bigint[], objects bigint[], chunks bigint[], causes text[], classes text[], ids bigint[], message_ids text[], since timestamp with time zone, pattern text, states text[]) RETURNS TABLE(error_id bigint, last_failed_at timestamp with time zone)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 SELECT e.error_id,
     e.last_failed_at
    FROM headgate.error e
   WHERE (((error_matching.datasets IS NULL) OR (e.dataset = ANY (error_matching.datasets))) AND ((error_matching.runs IS NULL) OR (e.run_id = ANY (error_matching.runs))) AND ((error_matching.objects IS NULL) OR (e.object_id = ANY (error_matching.objects))) AND ((error_matching.chunks IS NULL) OR (e.chunk_id = ANY (error_matching.chunks))) AND ((error_matching.causes IS NULL) OR (e.cause = ANY (error_matching.causes))) AND ((error_matching.classes IS NULL) OR (e.class = ANY (error_matching.classes))) AND ((error_matching.ids IS NULL) OR (e.error_id = ANY (error_matching.ids))) AND ((error_matching.message_ids IS NULL) OR (e.message_id = ANY (error_matching.message_ids))) AND ((error_matching.since IS NULL) OR (e.first_failed_at >= error_matching.since)) AND ((error_matching.pattern IS NULL) OR (e.reason ~ error_matching.pattern)) AND ((error_matching.states IS NULL) OR (e.state = ANY (error_matching.states))));
END;
ALTER FUNCTION headgate.error_matching(datasets text[], runs bigint[], objects bigint[], chunks bigint[], causes text[], classes text[], ids bigint[], message_ids text[], since timestamp with time zone, pattern text, states text[]) OWNER TO headgate_owner;
CREATE FUNCTION headgate.evolve(of_dataset text, column_names text[], headers text[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '60s'
    AS $_$
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
$_$;
ALTER FUNCTION headgate.evolve(of_dataset text, column_names text[], headers text[]) OWNER TO headgate_owner;
CREATE TABLE headgate.object (
    object_id bigint NOT NULL,
    dataset text NOT NULL,
    bucket text NOT NULL,
    key text NOT NULL,
    version_id text,
    etag text NOT NULL,
    size bigint NOT NULL,
    last_modified timestamp with time zone NOT NULL,
    lineage text NOT NULL,
    version bigint NOT NULL,
    sha256 text,
    state text DEFAULT 'found'::text NOT NULL,
    reason text,
    run_id bigint NOT NULL,
    contract_version integer NOT NULL,
    replay_of bigint,
    inspection jsonb DEFAULT '{}'::jsonb NOT NULL,
    found_at timestamp with time zone DEFAULT now() NOT NULL,
    published_at timestamp with time zone,
    loaded_at timestamp with time zone,
    receipts_pruned_at timestamp with time zone,
    staging_pruned_at timestamp with time zone,
    rows_removed bigint DEFAULT 0 NOT NULL,
    CONSTRAINT object_state_check CHECK ((state = ANY (ARRAY['found'::text, 'inspected'::text, 'validated'::text, 'published'::text, 'loaded'::text, 'held'::text, 'duplicate'::text])))
);
ALTER TABLE headgate.object OWNER TO headgate_owner;
CREATE FUNCTION headgate.new_objects(of_dataset text, of_bucket text, of_run bigint, of_contract integer, reload boolean, try_held boolean, keys text[], etags text[], sizes bigint[], modified timestamp with time zone[], version_ids text[]) RETURNS TABLE(key text, etag text, size bigint, last_modified timestamp with time zone, version_id text)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 SELECT l.key,
     l.etag,
     l.size,
     l.last_modified,
     l.version_id
    FROM (UNNEST(new_objects.keys, new_objects.etags, new_objects.sizes, new_objects.modified, new_objects.version_ids) l(key, etag, size, last_modified, version_id)
      LEFT JOIN LATERAL ( SELECT o.object_id,
             o.etag,
             o.size,
             o.state,
             o.contract_version,
             o.run_id,
             o.last_modified
            FROM headgate.object o
           WHERE ((o.dataset = new_objects.of_dataset) AND (o.bucket = new_objects.of_bucket) AND (o.key = l.key))
           ORDER BY o.object_id DESC
          LIMIT 1) newest ON (true))
   WHERE ((newest.object_id IS NULL) OR ((newest.etag <> l.etag) OR (newest.size <> l.size)) OR ((newest.state = 'held'::text) AND ((newest.last_modified < l.last_modified) OR (newest.contract_version <> new_objects.of_contract) OR new_objects.reload OR new_objects.try_held)) OR (new_objects.reload AND (newest.run_id <> new_objects.of_run)))
   ORDER BY l.last_modified, l.key;
END;
ALTER FUNCTION headgate.new_objects(of_dataset text, of_bucket text, of_run bigint, of_contract integer, reload boolean, try_held boolean, keys text[], etags text[], sizes bigint[], modified timestamp with time zone[], version_ids text[]) OWNER TO headgate_owner;
CREATE FUNCTION headgate.prune_receipts(of_dataset text, before timestamp with time zone, after_loaded_at timestamp with time zone, after_object bigint, at_most integer, dry_run boolean) RETURNS TABLE(objects bigint, receipts bigint, last_loaded_at timestamp with time zone, last_object bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '60s'
    AS $$
DECLARE
    settled bigint[];
BEGIN
    IF NOT dry_run THEN
        -- No consumer of the dataset is between its claim and its commit: see dataset_lock_shared.
        PERFORM pg_advisory_xact_lock(hashtextextended('headgate.merge:' || of_dataset, 0));
    END IF;
    SELECT coalesce(array_agg(due.object_id ORDER BY due.loaded_at, due.object_id), '{}'), max(due.loaded_at)
    INTO settled, last_loaded_at
    FROM (
        SELECT o.object_id, o.loaded_at
        FROM headgate.object o
        WHERE o.dataset = of_dataset
            AND o.state = 'loaded'
            AND o.receipts_pruned_at IS NULL
            AND o.loaded_at < before
            AND (o.loaded_at, o.object_id) > (coalesce(after_loaded_at, '-infinity'), coalesce(after_object, 0))
            AND NOT EXISTS (
                SELECT FROM headgate.error e
                WHERE e.object_id = o.object_id AND e.state IN ('retrying', 'parked', 'replayed')
            )
            AND NOT EXISTS (
                SELECT FROM headgate.quarantine q
                WHERE q.object_id = o.object_id AND q.state = 'open'
            )
            AND (SELECT b.balanced FROM headgate.books_object b WHERE b.object_id = o.object_id)
        ORDER BY o.loaded_at, o.object_id
        LIMIT at_most
    ) due;
    objects := cardinality(settled);
    last_object := settled[objects];
    SELECT count(*) INTO receipts FROM headgate.receipt r WHERE r.object_id = ANY (settled);
    IF NOT dry_run THEN
        INSERT INTO headgate.closed_chunk
            (chunk_id, batches, inserted, updated, unchanged, superseded, quarantined)
        SELECT
            r.chunk_id, count(*), sum(r.inserted), sum(r.updated), sum(r.unchanged), sum(r.superseded),
            sum(r.quarantined)
        FROM headgate.receipt r
        WHERE r.object_id = ANY (settled)
        GROUP BY r.chunk_id;
        DELETE FROM headgate.receipt r WHERE r.object_id = ANY (settled);
        DELETE FROM headgate.batch b
        USING headgate.chunk c
        WHERE c.chunk_id = b.chunk_id AND c.object_id = ANY (settled);
        UPDATE headgate.object o SET receipts_pruned_at = now() WHERE o.object_id = ANY (settled);
    END IF;
    RETURN NEXT;
END
$$;
ALTER FUNCTION headgate.prune_receipts(of_dataset text, before timestamp with time zone, after_loaded_at timestamp with time zone, after_object bigint, at_most integer, dry_run boolean) OWNER TO headgate_owner;
CREATE TABLE headgate.quarantine (
    quarantine_id bigint NOT NULL,
    dataset text NOT NULL,
    object_id bigint NOT NULL,
    chunk_id bigint NOT NULL,
    row_number bigint NOT NULL,
    line bigint,
    stage text NOT NULL,
    rule text NOT NULL,
    column_name text,
    value text,
    reason text NOT NULL,
    raw text NOT NULL,
    violations jsonb DEFAULT '[]'::jsonb NOT NULL,
    message_id uuid,
    state text DEFAULT 'open'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    resolved_at timestamp with time zone,
    resolved_by text,
    note text,
    replay_key text,
    CONSTRAINT quarantine_stage_check CHECK ((stage = ANY (ARRAY['validate'::text, 'load'::text]))),
    CONSTRAINT quarantine_state_check CHECK ((state = ANY (ARRAY['open'::text, 'replayed'::text, 'dismissed'::text])))
);
ALTER TABLE headgate.quarantine OWNER TO headgate_owner;
CREATE FUNCTION headgate.quarantine_matching(of_dataset text, of_object text, of_rules text[], of_column text, of_run bigint, since timestamp with time zone, of_state text, ids bigint[]) RETURNS TABLE(quarantine_id bigint)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 SELECT q.quarantine_id
    FROM (headgate.quarantine q
      JOIN headgate.object o USING (object_id))
   WHERE (((quarantine_matching.of_dataset IS NULL) OR (q.dataset = quarantine_matching.of_dataset)) AND ((quarantine_matching.of_object IS NULL) OR (o.key = quarantine_matching.of_object) OR (o.key = ((q.dataset || '/'::text) || quarantine_matching.of_object))) AND ((quarantine_matching.of_rules IS NULL) OR (q.rule = ANY (quarantine_matching.of_rules)) OR (jsonb_path_query_array(q.violations, '$[*]."rule"'::jsonpath) ?| quarantine_matching.of_rules)) AND ((quarantine_matching.of_column IS NULL) OR (q.column_name = quarantine_matching.of_column) OR (q.violations @> jsonb_build_array(jsonb_build_object('column', quarantine_matching.of_column)))) AND ((quarantine_matching.of_run IS NULL) OR (o.run_id = quarantine_matching.of_run)) AND ((quarantine_matching.since IS NULL) OR (q.created_at >= quarantine_matching.since)) AND ((quarantine_matching.of_state IS NULL) OR (q.state = quarantine_matching.of_state)) AND ((quarantine_matching.ids IS NULL) OR (q.quarantine_id = ANY (quarantine_matching.ids))));
END;
ALTER FUNCTION headgate.quarantine_matching(of_dataset text, of_object text, of_rules text[], of_column text, of_run bigint, since timestamp with time zone, of_state text, ids bigint[]) OWNER TO headgate_owner;
CREATE FUNCTION headgate.remove_vanished(of_object bigint, threshold double precision) RETURNS TABLE(removed bigint, vanished bigint, of_rows bigint, unsettled bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '60s'
    AS $_$
DECLARE
    this         headgate.object;
    target       text;
    complete     boolean;
    is_balanced  boolean;
    is_newest    boolean;
    versions     bigint[];
    before       bigint[];
BEGIN
    SELECT * INTO this FROM headgate.object
    WHERE object_id = of_object AND state IN ('published', 'loaded')
    FOR NO KEY UPDATE;
    SELECT format('%I.%I', d.table_schema, d.table_name) INTO target FROM headgate.dataset d
    WHERE d.dataset = this.dataset AND d.version = this.contract_version AND d.replaces;
    SELECT b.batches_missing = 0, b.balanced INTO complete, is_balanced FROM headgate.books_object b
    WHERE b.object_id = of_object;
    IF target IS NULL OR NOT complete THEN
        RETURN;
    END IF;
    -- No version is published meanwhile, and no consumer writes to the dataset: see dataset_lock_shared.
    PERFORM pg_advisory_xact_lock(hashtextextended('headgate.merge:' || this.dataset, 0));
    UPDATE headgate.object SET state = 'loaded', loaded_at = coalesce(loaded_at, now()) WHERE object_id = of_object;
    removed := 0; vanished := 0; of_rows := 0; unsettled := 0;
    SELECT
        array_agg(o.object_id),
        array_agg(o.object_id) FILTER (WHERE o.version < this.version),
        -- A replay has its origin's version: the last of them to be loaded sees to it.
        bool_and(o.state NOT IN ('published', 'loaded') OR o.version < this.version
            OR (o.version = this.version AND o.state = 'loaded'))
    INTO versions, before, is_newest
    FROM headgate.object o
    WHERE o.dataset = this.dataset AND o.lineage = this.lineage;
    IF before IS NOT NULL AND is_newest AND is_balanced THEN
        EXECUTE format(
            'SELECT count(*) FILTER (WHERE _object_id = ANY ($1)), count(*) FROM %s WHERE _object_id = ANY ($2)', target
        ) INTO vanished, of_rows USING before, versions;
        SELECT count(*) INTO unsettled
        FROM headgate.object o
        JOIN headgate.quarantine q USING (object_id)
        WHERE o.dataset = this.dataset AND o.lineage = this.lineage AND o.version = this.version
            AND o.state = 'loaded'
            AND q.rule <> 'unique_key'
            AND (
                q.state = 'open'
                OR q.state = 'replayed' AND NOT EXISTS (
                    SELECT FROM headgate.object r
                    WHERE r.dataset = this.dataset AND r.key = q.replay_key AND r.state = 'loaded'
                )
            );
        IF unsettled = 0 AND (vanished <= threshold * of_rows OR vanished = 1 AND of_rows > 1 AND threshold > 0) THEN
            EXECUTE format(
                'WITH gone AS (DELETE FROM %s WHERE _object_id = ANY ($1) RETURNING _object_id, _row_number),
                told AS (
                    INSERT INTO headgate.removal (object_id, removed_by, row_numbers)
                    SELECT _object_id, $2, range_agg(int8range(_row_number, _row_number, ''[]''))
                    FROM gone
                    GROUP BY _object_id
                )
                SELECT count(*) FROM gone', target
            ) INTO removed USING before, of_object;
            UPDATE headgate.object SET rows_removed = rows_removed + removed WHERE object_id = of_object;
        END IF;
    END IF;
    RETURN NEXT;
END
$_$;
ALTER FUNCTION headgate.remove_vanished(of_object bigint, threshold double precision) OWNER TO headgate_owner;
CREATE TABLE headgate.batch (
    message_id uuid NOT NULL,
    chunk_id bigint NOT NULL,
    ordinal integer NOT NULL,
    byte_offset bigint NOT NULL,
    byte_length bigint NOT NULL,
    rows bigint NOT NULL,
    first_row bigint NOT NULL,
    last_row bigint NOT NULL,
    sha256 text NOT NULL,
    streamed_at timestamp with time zone,
    CONSTRAINT batch_rows_check CHECK ((rows > 0))
);
ALTER TABLE headgate.batch OWNER TO headgate_owner;
CREATE TABLE headgate.chunk (
    chunk_id bigint NOT NULL,
    object_id bigint NOT NULL,
    ordinal integer NOT NULL,
    source jsonb NOT NULL,
    first_row bigint NOT NULL,
    first_line bigint NOT NULL,
    records bigint NOT NULL,
    state text DEFAULT 'planned'::text NOT NULL,
    rows_read bigint DEFAULT 0 NOT NULL,
    rows_blank bigint DEFAULT 0 NOT NULL,
    rows_accepted bigint DEFAULT 0 NOT NULL,
    rows_rejected bigint DEFAULT 0 NOT NULL,
    rule_counts jsonb DEFAULT '{}'::jsonb NOT NULL,
    staged_at timestamp with time zone,
    staged text DEFAULT ''::text NOT NULL,
    CONSTRAINT chunk_check CHECK ((rows_read = (rows_accepted + rows_rejected))),
    CONSTRAINT chunk_state_check CHECK ((state = ANY (ARRAY['planned'::text, 'staged'::text, 'streamed'::text])))
);
ALTER TABLE headgate.chunk OWNER TO headgate_owner;
CREATE TABLE headgate.closed_chunk (
    chunk_id bigint NOT NULL,
    batches bigint NOT NULL,
    inserted bigint NOT NULL,
    updated bigint NOT NULL,
    unchanged bigint NOT NULL,
    superseded bigint NOT NULL,
    quarantined bigint NOT NULL,
    rows bigint GENERATED ALWAYS AS (((((inserted + updated) + unchanged) + superseded) + quarantined)) STORED,
    closed_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE headgate.closed_chunk OWNER TO headgate_owner;
CREATE TABLE headgate.dataset (
    dataset text NOT NULL,
    version integer NOT NULL,
    contract jsonb NOT NULL,
    sha256 text NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    applied_by text DEFAULT SESSION_USER NOT NULL,
    replaces boolean GENERATED ALWAYS AS (jsonb_path_exists(contract, '$."customProperties"[*]?(@."property" == "onRewrite" && @."value" == "replace")'::jsonpath)) STORED NOT NULL,
    takes_over boolean GENERATED ALWAYS AS (jsonb_path_exists(contract, '$."customProperties"[*]?(@."property" == "source" || @."property" == "onRewrite" && @."value" == "replace")'::jsonpath)) STORED NOT NULL
);
ALTER TABLE headgate.dataset OWNER TO headgate_owner;
CREATE TABLE headgate.receipt (
    message_id uuid NOT NULL,
    object_id bigint NOT NULL,
    chunk_id bigint NOT NULL,
    rows bigint NOT NULL,
    inserted bigint DEFAULT 0 NOT NULL,
    updated bigint DEFAULT 0 NOT NULL,
    unchanged bigint DEFAULT 0 NOT NULL,
    superseded bigint DEFAULT 0 NOT NULL,
    quarantined bigint DEFAULT 0 NOT NULL,
    consumer text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT receipt_check CHECK ((rows = ((((inserted + updated) + unchanged) + superseded) + quarantined)))
);
ALTER TABLE headgate.receipt OWNER TO headgate_owner;
CREATE TABLE headgate.removal (
    object_id bigint NOT NULL,
    removed_by bigint NOT NULL,
    removed_at timestamp with time zone DEFAULT now() NOT NULL,
    row_numbers int8multirange NOT NULL
);
ALTER TABLE headgate.removal OWNER TO headgate_owner;
CREATE FUNCTION headgate.row_history(of_dataset text, of_key text, of_row bigint) RETURNS TABLE(object_id bigint, version bigint, run_id bigint, object_state text, chunk integer, outcome text, reason text, rule text, column_name text, resolution text, replay_key text, replay_row bigint, message_id uuid, happened_at timestamp with time zone)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 SELECT o.object_id,
     o.version,
     o.run_id,
     o.state,
     c.ordinal,
         CASE
             WHEN (q.quarantine_id IS NOT NULL) THEN 'quarantined'::text
             WHEN (o.state <> ALL (ARRAY['published'::text, 'loaded'::text])) THEN 'not published'::text
             WHEN (c.chunk_id IS NULL) THEN 'no such row'::text
             WHEN (v.removed_by IS NOT NULL) THEN 'removed'::text
             WHEN ((b.message_id IS NULL) AND (x.chunk_id IS NULL)) THEN 'blank'::text
             WHEN ((r.message_id IS NULL) AND (x.chunk_id IS NULL)) THEN 'on its way'::text
             WHEN (c.rows_blank > 0) THEN 'applied or blank'::text
             ELSE 'applied'::text
         END AS "case",
     COALESCE(q.reason, (('object '::text || v.removed_by) || ', a later version, no longer has it'::text), o.reason, (('object '::text || n.object_id) || ' or a later version has it, too, and stands for it'::text)) AS "coalesce",
     q.rule,
     q.column_name,
     q.state,
     q.replay_key,
         CASE
             WHEN (q.replay_key IS NOT NULL) THEN ( SELECT count(*) AS count
                FROM headgate.quarantine p
               WHERE ((p.object_id = q.object_id) AND (p.replay_key = q.replay_key) AND (p.row_number <= q.row_number)))
             ELSE NULL::bigint
         END AS "case",
     COALESCE(q.message_id, b.message_id) AS "coalesce",
     COALESCE(q.created_at, v.removed_at, r.applied_at, o.loaded_at, o.published_at, o.found_at) AS "coalesce"
    FROM (((((((headgate.object o
      LEFT JOIN LATERAL ( SELECT p.chunk_id,
             p.ordinal,
             p.rows_blank
            FROM headgate.chunk p
           WHERE ((p.object_id = o.object_id) AND (row_history.of_row >= p.first_row) AND (row_history.of_row < (p.first_row + p.records)))
           ORDER BY p.ordinal
          LIMIT 1) c ON (true))
      LEFT JOIN headgate.quarantine q ON (((q.object_id = o.object_id) AND (q.row_number = row_history.of_row))))
      LEFT JOIN headgate.batch b ON (((b.chunk_id = c.chunk_id) AND ((row_history.of_row >= b.first_row) AND (row_history.of_row <= b.last_row)))))
      LEFT JOIN headgate.receipt r ON ((r.message_id = b.message_id)))
      LEFT JOIN headgate.closed_chunk x ON ((x.chunk_id = c.chunk_id)))
      LEFT JOIN headgate.removal v ON (((v.object_id = o.object_id) AND (v.row_numbers @> row_history.of_row))))
      LEFT JOIN LATERAL ( SELECT p.object_id,
             p.reason,
             d.replaces
            FROM (headgate.object p
              JOIN headgate.dataset d ON (((d.dataset = p.dataset) AND (d.version = p.contract_version))))
           WHERE ((p.dataset = o.dataset) AND (p.lineage = o.lineage) AND (p.version > o.version) AND (p.state = 'loaded'::text))
           ORDER BY p.version
          LIMIT 1) n ON ((n.replaces AND (n.reason IS NULL) AND (r.message_id IS NOT NULL))))
   WHERE ((o.dataset = row_history.of_dataset) AND (o.key = row_history.of_key))
   ORDER BY o.object_id;
END;
ALTER FUNCTION headgate.row_history(of_dataset text, of_key text, of_row bigint) OWNER TO headgate_owner;
CREATE TABLE headgate.silence (
    silence_id bigint NOT NULL,
    matchers jsonb NOT NULL,
    starts_at timestamp with time zone DEFAULT now() NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT silence_matchers_check CHECK ((jsonb_array_length(matchers) > 0))
);
ALTER TABLE headgate.silence OWNER TO headgate_owner;
CREATE FUNCTION headgate.silenced_until(labels jsonb) RETURNS timestamp with time zone
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT max(s.ends_at) AS max
    FROM headgate.silence s
   WHERE ((now() >= s.starts_at) AND (now() < s.ends_at) AND (NOT (EXISTS ( SELECT
            FROM jsonb_to_recordset(s.matchers) m(label text, op text, value text)
           WHERE (NOT
                 CASE m.op
                     WHEN '='::text THEN (COALESCE((silenced_until.labels ->> m.label), ''::text) = m.value)
                     WHEN '!='::text THEN (COALESCE((silenced_until.labels ->> m.label), ''::text) <> m.value)
                     WHEN '=~'::text THEN (COALESCE((silenced_until.labels ->> m.label), ''::text) ~ (('^(?:'::text || m.value) || ')$'::text))
                     ELSE (COALESCE((silenced_until.labels ->> m.label), ''::text) !~ (('^(?:'::text || m.value) || ')$'::text))
                 END)))));
END;
ALTER FUNCTION headgate.silenced_until(labels jsonb) OWNER TO headgate_owner;
CREATE FUNCTION headgate.vouched_since(written_by bigint, version bigint, object_id bigint) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT (EXISTS ( SELECT
            FROM (headgate.object o
              JOIN headgate.object n ON (((n.dataset = o.dataset) AND (n.lineage = o.lineage))))
           WHERE ((o.object_id = vouched_since.written_by) AND (n.version >= vouched_since.version) AND (ROW(n.version, n.object_id) > ROW(vouched_since.version, vouched_since.object_id)) AND (n.state = ANY (ARRAY['published'::text, 'loaded'::text])) AND (n.replay_of IS NULL) AND (NOT (EXISTS ( SELECT
                    FROM headgate.dataset d
                   WHERE ((d.dataset = n.dataset) AND (d.version = n.contract_version) AND d.takes_over))))))) AS "exists";
END;
ALTER FUNCTION headgate.vouched_since(written_by bigint, version bigint, object_id bigint) OWNER TO headgate_owner;
CREATE TABLE headgate.adoption (
    object_id bigint NOT NULL,
    from_run_id bigint NOT NULL,
    to_run_id bigint NOT NULL,
    adopted_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE headgate.adoption OWNER TO headgate_owner;
CREATE TABLE headgate.alert (
    alert_id bigint NOT NULL,
    kind text NOT NULL,
    severity text NOT NULL,
    dataset text NOT NULL,
    run_id bigint,
    object_id bigint,
    summary text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    raised_at timestamp with time zone DEFAULT now() NOT NULL,
    resolved_at timestamp with time zone,
    fingerprint text NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    owner text DEFAULT 'unowned'::text NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    news boolean DEFAULT false NOT NULL,
    count bigint DEFAULT 1 NOT NULL,
    last_event bigint DEFAULT 0 NOT NULL,
    last_at timestamp with time zone DEFAULT now() NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    acknowledged_at timestamp with time zone,
    acknowledged_by text,
    resolved_by text,
    note text,
    CONSTRAINT alert_check CHECK (((resolved_at IS NOT NULL) = (state = 'resolved'::text))),
    CONSTRAINT alert_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'critical'::text]))),
    CONSTRAINT alert_state_check CHECK ((state = ANY (ARRAY['open'::text, 'acknowledged'::text, 'resolved'::text])))
);
ALTER TABLE headgate.alert OWNER TO headgate_owner;
ALTER TABLE headgate.alert ALTER COLUMN alert_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME headgate.alert_alert_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE headgate.alert_group (
    group_id bigint NOT NULL,
    group_key text NOT NULL,
    route text NOT NULL,
    labels jsonb NOT NULL,
    group_interval interval NOT NULL,
    next_at timestamp with time zone,
    flushed_at timestamp with time zone,
    sent_at timestamp with time zone,
    held boolean DEFAULT false NOT NULL
);
ALTER TABLE headgate.alert_group OWNER TO headgate_owner;
ALTER TABLE headgate.alert_group ALTER COLUMN group_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME headgate.alert_group_group_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE headgate.alert_member (
    group_id bigint NOT NULL,
    alert_id bigint NOT NULL,
    told_at timestamp with time zone,
    reminded_at timestamp with time zone,
    told_count bigint DEFAULT 0 NOT NULL,
    again boolean DEFAULT false NOT NULL,
    escalation integer DEFAULT 0 NOT NULL
);
ALTER TABLE headgate.alert_member OWNER TO headgate_owner;
CREATE TABLE headgate.alertmanager_feed (
    receiver text NOT NULL,
    channel text NOT NULL,
    fed_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL
);
ALTER TABLE headgate.alertmanager_feed OWNER TO headgate_owner;
CREATE VIEW headgate.alerts AS
 SELECT a.alert_id,
    a.kind,
    a.severity,
    a.dataset,
    a.subject,
    a.owner,
    a.summary,
    a.detail,
        CASE
            WHEN ((a.state <> 'resolved'::text) AND (s.silenced_until IS NOT NULL)) THEN 'silenced'::text
            ELSE a.state
        END AS state,
    a.news,
    a.count,
    a.raised_at,
    a.last_at,
    a.changed_at,
    a.expires_at,
    a.acknowledged_at,
    a.acknowledged_by,
    a.resolved_at,
    a.resolved_by,
    a.note,
    s.silenced_until,
    a.fingerprint
   FROM (headgate.alert a
     CROSS JOIN LATERAL ( SELECT headgate.silenced_until(jsonb_build_object('dataset', a.dataset, 'type', a.kind, 'severity', a.severity, 'owner', a.owner, 'subject', a.subject)) AS silenced_until) s);
ALTER VIEW headgate.alerts OWNER TO headgate_owner;
COMMENT ON VIEW headgate.alerts IS 'What is or was wrong: open, acknowledged, silenced or resolved';
CREATE VIEW headgate.batch_message AS
 SELECT b.message_id,
    o.dataset,
    o.contract_version,
    o.object_id,
    o.version AS object_version,
    o.lineage,
    c.chunk_id,
    c.ordinal AS chunk,
    b.ordinal AS batch,
    b.byte_offset,
    b.byte_length,
    b.rows,
    b.sha256,
    c.staged,
    o.run_id,
    o.state AS object_state,
    b.streamed_at
   FROM ((headgate.batch b
     JOIN headgate.chunk c USING (chunk_id))
     JOIN headgate.object o USING (object_id));
ALTER VIEW headgate.batch_message OWNER TO headgate_owner;
COMMENT ON VIEW headgate.batch_message IS 'What the message of each batch says of itself, and whether it was sent';
CREATE VIEW headgate.books_chunk AS
 SELECT o.dataset,
    o.run_id,
    c.object_id,
    o.key,
    o.state AS object_state,
    c.chunk_id,
    c.ordinal AS chunk,
    c.state,
    c.rows_read AS read,
    (r.inserted + t.inserted) AS inserted,
    (r.updated + t.updated) AS updated,
    (r.unchanged + t.unchanged) AS unchanged,
    (r.superseded + t.superseded) AS superseded,
    ((c.rows_rejected + r.quarantined) + t.quarantined) AS quarantined,
    c.rows_blank AS blank,
    ((c.rows_accepted - r.rows) - t.rows) AS missing,
    (b.batches + t.batches) AS batches,
    (b.batches - r.receipts) AS batches_missing,
    q.rows AS quarantine_rows,
    ((c.state <> 'planned'::text) AND ((b.rows + t.rows) = c.rows_accepted) AND (b.batches = r.receipts) AND (c.rows_read = ((((((((((c.rows_rejected + r.inserted) + r.updated) + r.unchanged) + r.superseded) + r.quarantined) + t.inserted) + t.updated) + t.unchanged) + t.superseded) + t.quarantined)) AND (((c.rows_rejected + r.quarantined) + t.quarantined) = q.rows)) AS balanced
   FROM (((((headgate.chunk c
     JOIN headgate.object o USING (object_id))
     CROSS JOIN LATERAL ( SELECT count(*) AS batches,
            (COALESCE(sum(p.rows), (0)::numeric))::bigint AS rows
           FROM headgate.batch p
          WHERE (p.chunk_id = c.chunk_id)) b)
     CROSS JOIN LATERAL ( SELECT count(*) AS receipts,
            (COALESCE(sum(p.rows), (0)::numeric))::bigint AS rows,
            (COALESCE(sum(p.inserted), (0)::numeric))::bigint AS inserted,
            (COALESCE(sum(p.updated), (0)::numeric))::bigint AS updated,
            (COALESCE(sum(p.unchanged), (0)::numeric))::bigint AS unchanged,
            (COALESCE(sum(p.superseded), (0)::numeric))::bigint AS superseded,
            (COALESCE(sum(p.quarantined), (0)::numeric))::bigint AS quarantined
           FROM headgate.receipt p
          WHERE (p.chunk_id = c.chunk_id)) r)
     CROSS JOIN LATERAL ( SELECT (COALESCE(sum(p.batches), (0)::numeric))::bigint AS batches,
            (COALESCE(sum(p.rows), (0)::numeric))::bigint AS rows,
            (COALESCE(sum(p.inserted), (0)::numeric))::bigint AS inserted,
            (COALESCE(sum(p.updated), (0)::numeric))::bigint AS updated,
            (COALESCE(sum(p.unchanged), (0)::numeric))::bigint AS unchanged,
            (COALESCE(sum(p.superseded), (0)::numeric))::bigint AS superseded,
            (COALESCE(sum(p.quarantined), (0)::numeric))::bigint AS quarantined
           FROM headgate.closed_chunk p
          WHERE (p.chunk_id = c.chunk_id)) t)
     CROSS JOIN LATERAL ( SELECT count(*) AS rows
           FROM headgate.quarantine p
          WHERE (p.chunk_id = c.chunk_id)) q);
ALTER VIEW headgate.books_chunk OWNER TO headgate_owner;
COMMENT ON VIEW headgate.books_chunk IS 'Rows of each chunk: read = inserted + updated + unchanged + superseded + quarantined; missing = no receipt yet';
CREATE VIEW headgate.books_object AS
 SELECT o.dataset,
    o.run_id,
    o.object_id,
    o.key,
    o.version,
    o.state,
    o.reason,
    o.size,
    o.replay_of,
    (o.state = ANY (ARRAY['published'::text, 'loaded'::text])) AS published,
    c.chunks,
    c.seen,
        CASE
            WHEN (o.state = ANY (ARRAY['published'::text, 'loaded'::text])) THEN c.read
            ELSE (0)::bigint
        END AS read,
        CASE
            WHEN (o.state = ANY (ARRAY['published'::text, 'loaded'::text])) THEN c.inserted
            ELSE (0)::bigint
        END AS inserted,
        CASE
            WHEN (o.state = ANY (ARRAY['published'::text, 'loaded'::text])) THEN c.updated
            ELSE (0)::bigint
        END AS updated,
        CASE
            WHEN (o.state = ANY (ARRAY['published'::text, 'loaded'::text])) THEN c.unchanged
            ELSE (0)::bigint
        END AS unchanged,
        CASE
            WHEN (o.state = ANY (ARRAY['published'::text, 'loaded'::text])) THEN c.superseded
            ELSE (0)::bigint
        END AS superseded,
        CASE
            WHEN (o.state = ANY (ARRAY['published'::text, 'loaded'::text])) THEN c.quarantined
            ELSE (0)::bigint
        END AS quarantined,
        CASE
            WHEN (o.state = ANY (ARRAY['published'::text, 'loaded'::text])) THEN c.blank
            ELSE (0)::bigint
        END AS blank,
        CASE
            WHEN (o.state = ANY (ARRAY['published'::text, 'loaded'::text])) THEN c.missing
            ELSE (0)::bigint
        END AS missing,
        CASE
            WHEN (o.state = ANY (ARRAY['published'::text, 'loaded'::text])) THEN c.batches_missing
            ELSE (0)::bigint
        END AS batches_missing,
        CASE
            WHEN (o.state = ANY (ARRAY['published'::text, 'loaded'::text])) THEN c.balanced
            ELSE (o.state = ANY (ARRAY['held'::text, 'duplicate'::text]))
        END AS balanced,
    o.published_at,
    o.loaded_at,
    o.rows_removed AS removed
   FROM (headgate.object o
     CROSS JOIN LATERAL ( SELECT count(*) AS chunks,
            (COALESCE(sum(p.read), (0)::numeric))::bigint AS seen,
            (COALESCE(sum(p.read), (0)::numeric))::bigint AS read,
            (COALESCE(sum(p.inserted), (0)::numeric))::bigint AS inserted,
            (COALESCE(sum(p.updated), (0)::numeric))::bigint AS updated,
            (COALESCE(sum(p.unchanged), (0)::numeric))::bigint AS unchanged,
            (COALESCE(sum(p.superseded), (0)::numeric))::bigint AS superseded,
            (COALESCE(sum(p.quarantined), (0)::numeric))::bigint AS quarantined,
            (COALESCE(sum(p.blank), (0)::numeric))::bigint AS blank,
            (COALESCE(sum(p.missing), (0)::numeric))::bigint AS missing,
            (COALESCE(sum(p.batches_missing), (0)::numeric))::bigint AS batches_missing,
            COALESCE(bool_and(p.balanced), true) AS balanced
           FROM headgate.books_chunk p
          WHERE (p.object_id = o.object_id)) c);
ALTER VIEW headgate.books_object OWNER TO headgate_owner;
COMMENT ON VIEW headgate.books_object IS 'Rows of each object version; balanced: every row read is in the table, confirmed, superseded or quarantined. removed: rows of versions before it that it no longer had (policy replace)';
CREATE TABLE headgate.run (
    run_id bigint NOT NULL,
    dataset text NOT NULL,
    dag_run_id text NOT NULL,
    kind text DEFAULT 'manual'::text NOT NULL,
    params jsonb DEFAULT '{}'::jsonb NOT NULL,
    interval_start timestamp with time zone,
    interval_end timestamp with time zone,
    contract_version integer NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    reason text,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    fetched jsonb,
    CONSTRAINT run_state_check CHECK ((state = ANY (ARRAY['running'::text, 'success'::text, 'failed'::text, 'dry_run'::text])))
);
ALTER TABLE headgate.run OWNER TO headgate_owner;
CREATE VIEW headgate.books_run AS
 SELECT r.dataset,
    r.run_id,
    r.dag_run_id,
    r.kind,
    r.state,
    r.reason,
    r.started_at,
    r.finished_at,
    o.objects,
    o.held,
    o.read,
    o.inserted,
    o.updated,
    o.unchanged,
    o.superseded,
    o.quarantined,
    o.blank,
    o.missing,
    o.batches_missing,
    o.balanced,
    o.removed
   FROM (headgate.run r
     CROSS JOIN LATERAL ( SELECT count(*) AS objects,
            count(*) FILTER (WHERE (p.state = 'held'::text)) AS held,
            (COALESCE(sum(p.read), (0)::numeric))::bigint AS read,
            (COALESCE(sum(p.inserted), (0)::numeric))::bigint AS inserted,
            (COALESCE(sum(p.updated), (0)::numeric))::bigint AS updated,
            (COALESCE(sum(p.unchanged), (0)::numeric))::bigint AS unchanged,
            (COALESCE(sum(p.superseded), (0)::numeric))::bigint AS superseded,
            (COALESCE(sum(p.quarantined), (0)::numeric))::bigint AS quarantined,
            (COALESCE(sum(p.blank), (0)::numeric))::bigint AS blank,
            (COALESCE(sum(p.missing), (0)::numeric))::bigint AS missing,
            (COALESCE(sum(p.batches_missing), (0)::numeric))::bigint AS batches_missing,
            COALESCE(bool_and(p.balanced), true) AS balanced,
            (COALESCE(sum(p.removed), (0)::numeric))::bigint AS removed
           FROM headgate.books_object p
          WHERE (p.run_id = r.run_id)) o);
ALTER VIEW headgate.books_run OWNER TO headgate_owner;
COMMENT ON VIEW headgate.books_run IS 'Rows of each run, and whether its books balance';
ALTER TABLE headgate.chunk ALTER COLUMN chunk_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME headgate.chunk_chunk_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE headgate.delivery (
    notification_id bigint NOT NULL,
    channel text NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_at timestamp with time zone DEFAULT now() NOT NULL,
    sent_at timestamp with time zone,
    problem text,
    CONSTRAINT delivery_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'sent'::text, 'failed'::text])))
);
ALTER TABLE headgate.delivery OWNER TO headgate_owner;
ALTER TABLE headgate.error ALTER COLUMN error_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME headgate.error_error_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE headgate.event (
    event_id text NOT NULL,
    number bigint NOT NULL,
    kind text NOT NULL,
    dataset text NOT NULL,
    subject text NOT NULL,
    severity text NOT NULL,
    status text NOT NULL,
    fingerprint text NOT NULL,
    body jsonb NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    published_at timestamp with time zone,
    folded_at timestamp with time zone,
    CONSTRAINT event_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'critical'::text]))),
    CONSTRAINT event_status_check CHECK ((status = ANY (ARRAY['firing'::text, 'resolved'::text, 'info'::text])))
);
ALTER TABLE headgate.event OWNER TO headgate_owner;
ALTER TABLE headgate.event ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME headgate.event_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE headgate."fetch" (
    dataset text NOT NULL,
    folder text NOT NULL,
    window_start timestamp with time zone NOT NULL,
    window_end timestamp with time zone NOT NULL,
    slice jsonb DEFAULT '{}'::jsonb NOT NULL,
    state text NOT NULL,
    fault text,
    reason text,
    run_id bigint,
    lane integer,
    routine boolean NOT NULL,
    fetched_at timestamp with time zone,
    pages integer DEFAULT 0 NOT NULL,
    pages_new integer DEFAULT 0 NOT NULL,
    CONSTRAINT fetch_check CHECK (((state = 'failed'::text) = (fault IS NOT NULL))),
    CONSTRAINT fetch_check1 CHECK (((state <> 'landed'::text) OR (fetched_at IS NOT NULL))),
    CONSTRAINT fetch_fault_check CHECK ((fault = ANY (ARRAY['away'::text, 'quota'::text, 'rejected'::text]))),
    CONSTRAINT fetch_state_check CHECK ((state = ANY (ARRAY['wanted'::text, 'landed'::text, 'failed'::text])))
);
ALTER TABLE headgate."fetch" OWNER TO headgate_owner;
CREATE TABLE headgate.fetch_by_run (
    run_id bigint NOT NULL,
    folder text NOT NULL,
    state text NOT NULL,
    fault text,
    reason text,
    pages integer DEFAULT 0 NOT NULL,
    pages_new integer DEFAULT 0 NOT NULL,
    CONSTRAINT fetch_by_run_state_check CHECK ((state = ANY (ARRAY['wanted'::text, 'landed'::text, 'failed'::text])))
);
ALTER TABLE headgate.fetch_by_run OWNER TO headgate_owner;
CREATE TABLE headgate.live (
    dataset text NOT NULL,
    read_to timestamp with time zone NOT NULL
);
ALTER TABLE headgate.live OWNER TO headgate_owner;
COMMENT ON TABLE headgate.live IS 'How far each live stream was read: where it is resumed';
CREATE TABLE headgate.live_batch (
    message_id uuid NOT NULL,
    body bytea NOT NULL
);
ALTER TABLE ONLY headgate.live_batch ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE headgate.live_batch OWNER TO headgate_owner;
COMMENT ON TABLE headgate.live_batch IS 'Batches of live streams, until their minute is loaded';
CREATE TABLE headgate.message_replay (
    replay_id bigint NOT NULL,
    message_id text NOT NULL,
    error_id bigint,
    dataset text NOT NULL,
    replays bigint NOT NULL,
    source text NOT NULL,
    action text NOT NULL,
    filter text NOT NULL,
    force boolean DEFAULT false NOT NULL,
    note text,
    replayed_by text NOT NULL,
    replayed_as text DEFAULT SESSION_USER NOT NULL,
    replayed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT message_replay_action_check CHECK ((action = ANY (ARRAY['replayed'::text, 'applied'::text, 'dismissed'::text]))),
    CONSTRAINT message_replay_source_check CHECK ((source = ANY (ARRAY['parking'::text, 'errors'::text, 'staging'::text])))
);
ALTER TABLE headgate.message_replay OWNER TO headgate_owner;
ALTER TABLE headgate.message_replay ALTER COLUMN replay_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME headgate.message_replay_replay_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE headgate.migration (
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    applied_by text DEFAULT SESSION_USER NOT NULL
);
ALTER TABLE headgate.migration OWNER TO headgate_owner;
CREATE TABLE headgate.notification (
    notification_id bigint NOT NULL,
    receiver text NOT NULL,
    reason text NOT NULL,
    severity text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    alert_ids bigint[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT notification_reason_check CHECK ((reason = ANY (ARRAY['new'::text, 'update'::text, 'repeat'::text, 'resolved'::text, 'escalation'::text, 'digest'::text]))),
    CONSTRAINT notification_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'critical'::text])))
);
ALTER TABLE headgate.notification OWNER TO headgate_owner;
ALTER TABLE headgate.notification ALTER COLUMN notification_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME headgate.notification_notification_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE headgate.object ALTER COLUMN object_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME headgate.object_object_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE headgate.quarantine ALTER COLUMN quarantine_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME headgate.quarantine_quarantine_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE headgate.replay (
    replay_key text NOT NULL,
    dataset text NOT NULL,
    bucket text NOT NULL,
    object_id bigint NOT NULL,
    rows bigint NOT NULL,
    body bytea,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text DEFAULT SESSION_USER NOT NULL,
    put_at timestamp with time zone,
    CONSTRAINT replay_check CHECK (((body IS NULL) = (put_at IS NOT NULL))),
    CONSTRAINT replay_rows_check CHECK ((rows > 0))
);
ALTER TABLE headgate.replay OWNER TO headgate_owner;
ALTER TABLE headgate.run ALTER COLUMN run_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME headgate.run_run_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE headgate.silence ALTER COLUMN silence_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME headgate.silence_silence_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE headgate.source (
    provider text NOT NULL,
    state text DEFAULT 'closed'::text NOT NULL,
    forced boolean DEFAULT false NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    reason text,
    opened_at timestamp with time zone,
    trial_until timestamp with time zone,
    held_until timestamp with time zone,
    held_reason text,
    held_down boolean DEFAULT false NOT NULL,
    CONSTRAINT source_state_check CHECK ((state = ANY (ARRAY['closed'::text, 'half-open'::text, 'open'::text])))
);
ALTER TABLE headgate.source OWNER TO headgate_owner;
CREATE TABLE headgate.source_call (
    call_id bigint NOT NULL,
    provider text NOT NULL,
    counted_at timestamp with time zone NOT NULL
);
ALTER TABLE headgate.source_call OWNER TO headgate_owner;
ALTER TABLE headgate.source_call ALTER COLUMN call_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME headgate.source_call_call_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE headgate.watch (
    fingerprint text NOT NULL,
    kind text NOT NULL,
    dataset text NOT NULL,
    subject text NOT NULL,
    data jsonb NOT NULL,
    mark text NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    fired_at timestamp with time zone
);
ALTER TABLE headgate.watch OWNER TO headgate_owner;
ALTER TABLE ONLY headgate.adoption
    ADD CONSTRAINT adoption_pkey PRIMARY KEY (from_run_id, object_id, to_run_id);
ALTER TABLE ONLY headgate.alert_group
    ADD CONSTRAINT alert_group_group_key_key UNIQUE (group_key);
ALTER TABLE ONLY headgate.alert_group
    ADD CONSTRAINT alert_group_pkey PRIMARY KEY (group_id);
ALTER TABLE ONLY headgate.alert_member
    ADD CONSTRAINT alert_member_pkey PRIMARY KEY (group_id, alert_id);
ALTER TABLE ONLY headgate.alert
    ADD CONSTRAINT alert_pkey PRIMARY KEY (alert_id);
ALTER TABLE ONLY headgate.alertmanager_feed
    ADD CONSTRAINT alertmanager_feed_pkey PRIMARY KEY (receiver, channel);
ALTER TABLE ONLY headgate.batch
    ADD CONSTRAINT batch_chunk_id_ordinal_key UNIQUE (chunk_id, ordinal);
ALTER TABLE ONLY headgate.batch
    ADD CONSTRAINT batch_pkey PRIMARY KEY (message_id);
ALTER TABLE ONLY headgate.chunk
    ADD CONSTRAINT chunk_object_id_ordinal_key UNIQUE (object_id, ordinal);
ALTER TABLE ONLY headgate.chunk
    ADD CONSTRAINT chunk_pkey PRIMARY KEY (chunk_id);
ALTER TABLE ONLY headgate.closed_chunk
    ADD CONSTRAINT closed_chunk_pkey PRIMARY KEY (chunk_id);
ALTER TABLE ONLY headgate.dataset
    ADD CONSTRAINT dataset_pkey PRIMARY KEY (dataset, version);
ALTER TABLE ONLY headgate.delivery
    ADD CONSTRAINT delivery_pkey PRIMARY KEY (notification_id, channel);
ALTER TABLE ONLY headgate.error
    ADD CONSTRAINT error_error_key_key UNIQUE (error_key);
ALTER TABLE ONLY headgate.error
    ADD CONSTRAINT error_pkey PRIMARY KEY (error_id);
ALTER TABLE ONLY headgate.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (event_id);
ALTER TABLE ONLY headgate.fetch_by_run
    ADD CONSTRAINT fetch_by_run_pkey PRIMARY KEY (run_id, folder);
ALTER TABLE ONLY headgate."fetch"
    ADD CONSTRAINT fetch_pkey PRIMARY KEY (dataset, folder);
ALTER TABLE ONLY headgate.live_batch
    ADD CONSTRAINT live_batch_pkey PRIMARY KEY (message_id);
ALTER TABLE ONLY headgate.live
    ADD CONSTRAINT live_pkey PRIMARY KEY (dataset);
ALTER TABLE ONLY headgate.message_replay
    ADD CONSTRAINT message_replay_pkey PRIMARY KEY (replay_id);
ALTER TABLE ONLY headgate.migration
    ADD CONSTRAINT migration_pkey PRIMARY KEY (name);
ALTER TABLE ONLY headgate.notification
    ADD CONSTRAINT notification_pkey PRIMARY KEY (notification_id);
ALTER TABLE ONLY headgate.object
    ADD CONSTRAINT object_pkey PRIMARY KEY (object_id);
ALTER TABLE ONLY headgate.quarantine
    ADD CONSTRAINT quarantine_object_id_row_number_key UNIQUE (object_id, row_number);
ALTER TABLE ONLY headgate.quarantine
    ADD CONSTRAINT quarantine_pkey PRIMARY KEY (quarantine_id);
ALTER TABLE ONLY headgate.receipt
    ADD CONSTRAINT receipt_pkey PRIMARY KEY (message_id);
ALTER TABLE ONLY headgate.replay
    ADD CONSTRAINT replay_pkey PRIMARY KEY (replay_key);
ALTER TABLE ONLY headgate.run
    ADD CONSTRAINT run_dataset_dag_run_id_key UNIQUE (dataset, dag_run_id);
ALTER TABLE ONLY headgate.run
    ADD CONSTRAINT run_pkey PRIMARY KEY (run_id);
ALTER TABLE ONLY headgate.silence
    ADD CONSTRAINT silence_pkey PRIMARY KEY (silence_id);
ALTER TABLE ONLY headgate.source_call
    ADD CONSTRAINT source_call_pkey PRIMARY KEY (call_id);
ALTER TABLE ONLY headgate.source
    ADD CONSTRAINT source_pkey PRIMARY KEY (provider);
ALTER TABLE ONLY headgate.watch
    ADD CONSTRAINT watch_pkey PRIMARY KEY (fingerprint);
CREATE INDEX alert_changed ON headgate.alert USING btree (changed_at);
CREATE INDEX alert_group_due ON headgate.alert_group USING btree (next_at);
CREATE INDEX alert_member_of_alert ON headgate.alert_member USING btree (alert_id);
CREATE INDEX alert_newest ON headgate.alert USING btree (last_at, alert_id);
CREATE INDEX alert_of_dataset ON headgate.alert USING btree (dataset, alert_id);
CREATE INDEX alert_of_fingerprint ON headgate.alert USING btree (fingerprint, alert_id);
CREATE INDEX alert_resolved ON headgate.alert USING btree (resolved_at);
CREATE UNIQUE INDEX alert_unresolved ON headgate.alert USING btree (fingerprint) WHERE (state <> 'resolved'::text);
CREATE INDEX delivery_pending ON headgate.delivery USING btree (next_at) WHERE (state = 'pending'::text);
CREATE INDEX error_newest ON headgate.error USING btree (last_failed_at, error_id);
CREATE INDEX error_of_dataset ON headgate.error USING btree (dataset, last_failed_at);
CREATE INDEX error_of_message ON headgate.error USING btree (message_id) WHERE (message_id IS NOT NULL);
CREATE INDEX error_of_object ON headgate.error USING btree (object_id) WHERE (object_id IS NOT NULL);
CREATE INDEX error_of_run ON headgate.error USING btree (run_id) WHERE (run_id IS NOT NULL);
CREATE INDEX error_open ON headgate.error USING btree (state, last_failed_at) WHERE (state = ANY (ARRAY['retrying'::text, 'parked'::text, 'replayed'::text]));
CREATE INDEX error_recorded ON headgate.error USING btree (dataset) WHERE (state = 'recorded'::text);
CREATE INDEX error_unsettled ON headgate.error USING btree (last_failed_at, error_id) WHERE (state = ANY (ARRAY['retrying'::text, 'parked'::text, 'replayed'::text, 'recorded'::text]));
CREATE UNIQUE INDEX event_number ON headgate.event USING btree (number);
CREATE INDEX event_of_dataset ON headgate.event USING btree (dataset, number);
CREATE INDEX event_of_fingerprint ON headgate.event USING btree (fingerprint, number);
CREATE INDEX event_recorded ON headgate.event USING btree (recorded_at);
CREATE INDEX event_unfolded ON headgate.event USING btree (number) WHERE (folded_at IS NULL);
CREATE INDEX event_unpublished ON headgate.event USING btree (number) WHERE (published_at IS NULL);
CREATE INDEX fetch_newest ON headgate."fetch" USING btree (dataset, fetched_at DESC NULLS LAST);
CREATE INDEX fetch_of_run ON headgate."fetch" USING btree (run_id, lane);
CREATE INDEX fetch_wanted ON headgate."fetch" USING btree (dataset, run_id) WHERE (state = 'wanted'::text);
CREATE INDEX message_replay_at ON headgate.message_replay USING btree (replayed_at);
CREATE INDEX message_replay_of_message ON headgate.message_replay USING btree (message_id);
CREATE INDEX notification_created ON headgate.notification USING btree (created_at);
CREATE INDEX notification_of_alert ON headgate.notification USING gin (alert_ids);
CREATE INDEX object_fresh ON headgate.object USING btree (dataset, version) WHERE (state = ANY (ARRAY['loaded'::text, 'duplicate'::text]));
CREATE INDEX object_held ON headgate.object USING btree (dataset, key, bucket, object_id) WHERE (state = 'held'::text);
CREATE INDEX object_live ON headgate.object USING btree (dataset, lineage, version, object_id) WHERE (state <> ALL (ARRAY['held'::text, 'duplicate'::text]));
CREATE INDEX object_loaded_by ON headgate.object USING btree (dataset, run_id) WHERE ((state = 'loaded'::text) AND (replay_of IS NULL));
CREATE INDEX object_newest ON headgate.object USING btree (dataset, version) WHERE (state = ANY (ARRAY['published'::text, 'loaded'::text]));
CREATE INDEX object_of_content ON headgate.object USING btree (dataset, key, bucket, sha256, version, object_id) WHERE (state = ANY (ARRAY['published'::text, 'loaded'::text]));
CREATE INDEX object_of_key ON headgate.object USING btree (dataset, key, bucket, object_id);
CREATE INDEX object_of_lineage ON headgate.object USING btree (dataset, lineage, version);
CREATE INDEX object_of_run ON headgate.object USING btree (run_id);
CREATE INDEX object_read ON headgate.object USING btree (dataset, version, object_id) WHERE ((state = ANY (ARRAY['inspected'::text, 'validated'::text, 'published'::text, 'loaded'::text])) AND (replay_of IS NULL));
CREATE INDEX object_receipts_kept ON headgate.object USING btree (dataset, loaded_at, object_id) WHERE ((state = 'loaded'::text) AND (receipts_pruned_at IS NULL));
CREATE INDEX object_staging_kept ON headgate.object USING btree (dataset, object_id) WHERE ((state = ANY (ARRAY['loaded'::text, 'held'::text, 'duplicate'::text])) AND (staging_pruned_at IS NULL));
CREATE INDEX object_unfinished ON headgate.object USING btree (dataset, object_id) WHERE (state = ANY (ARRAY['found'::text, 'inspected'::text, 'validated'::text, 'published'::text]));
CREATE INDEX quarantine_incomplete ON headgate.quarantine USING btree (object_id) WHERE (line IS NULL);
CREATE INDEX quarantine_of_chunk ON headgate.quarantine USING btree (chunk_id);
CREATE INDEX quarantine_of_dataset ON headgate.quarantine USING btree (dataset, quarantine_id);
CREATE INDEX quarantine_open ON headgate.quarantine USING btree (dataset, quarantine_id) WHERE (state = 'open'::text);
CREATE INDEX receipt_of_chunk ON headgate.receipt USING btree (chunk_id);
CREATE INDEX receipt_of_object ON headgate.receipt USING btree (object_id);
CREATE INDEX removal_of_object ON headgate.removal USING btree (object_id);
CREATE INDEX replay_pending ON headgate.replay USING btree (dataset) WHERE (put_at IS NULL);
CREATE INDEX run_of_dataset ON headgate.run USING btree (dataset, run_id);
CREATE INDEX run_running ON headgate.run USING btree (dataset) WHERE (state = 'running'::text);
CREATE INDEX silence_until ON headgate.silence USING btree (ends_at);
CREATE INDEX source_call_newest ON headgate.source_call USING btree (provider, counted_at);
ALTER TABLE ONLY headgate.adoption
    ADD CONSTRAINT adoption_from_run_id_fkey FOREIGN KEY (from_run_id) REFERENCES headgate.run(run_id);
ALTER TABLE ONLY headgate.adoption
    ADD CONSTRAINT adoption_object_id_fkey FOREIGN KEY (object_id) REFERENCES headgate.object(object_id);
ALTER TABLE ONLY headgate.adoption
    ADD CONSTRAINT adoption_to_run_id_fkey FOREIGN KEY (to_run_id) REFERENCES headgate.run(run_id);
ALTER TABLE ONLY headgate.alert_member
    ADD CONSTRAINT alert_member_alert_id_fkey FOREIGN KEY (alert_id) REFERENCES headgate.alert(alert_id) ON DELETE CASCADE;
ALTER TABLE ONLY headgate.alert_member
    ADD CONSTRAINT alert_member_group_id_fkey FOREIGN KEY (group_id) REFERENCES headgate.alert_group(group_id) ON DELETE CASCADE;
ALTER TABLE ONLY headgate.batch
    ADD CONSTRAINT batch_chunk_id_fkey FOREIGN KEY (chunk_id) REFERENCES headgate.chunk(chunk_id) ON DELETE CASCADE;
ALTER TABLE ONLY headgate.chunk
    ADD CONSTRAINT chunk_object_id_fkey FOREIGN KEY (object_id) REFERENCES headgate.object(object_id);
ALTER TABLE ONLY headgate.closed_chunk
    ADD CONSTRAINT closed_chunk_chunk_id_fkey FOREIGN KEY (chunk_id) REFERENCES headgate.chunk(chunk_id) ON DELETE CASCADE;
ALTER TABLE ONLY headgate.delivery
    ADD CONSTRAINT delivery_notification_id_fkey FOREIGN KEY (notification_id) REFERENCES headgate.notification(notification_id) ON DELETE CASCADE;
ALTER TABLE ONLY headgate.fetch_by_run
    ADD CONSTRAINT fetch_by_run_run_id_fkey FOREIGN KEY (run_id) REFERENCES headgate.run(run_id);
ALTER TABLE ONLY headgate."fetch"
    ADD CONSTRAINT fetch_run_id_fkey FOREIGN KEY (run_id) REFERENCES headgate.run(run_id);
ALTER TABLE ONLY headgate.live_batch
    ADD CONSTRAINT live_batch_message_id_fkey FOREIGN KEY (message_id) REFERENCES headgate.batch(message_id) ON DELETE CASCADE;
ALTER TABLE ONLY headgate.object
    ADD CONSTRAINT object_replay_of_fkey FOREIGN KEY (replay_of) REFERENCES headgate.object(object_id);
ALTER TABLE ONLY headgate.object
    ADD CONSTRAINT object_run_id_fkey FOREIGN KEY (run_id) REFERENCES headgate.run(run_id);
ALTER TABLE ONLY headgate.quarantine
    ADD CONSTRAINT quarantine_object_id_fkey FOREIGN KEY (object_id) REFERENCES headgate.object(object_id);
ALTER TABLE ONLY headgate.removal
    ADD CONSTRAINT removal_object_id_fkey FOREIGN KEY (object_id) REFERENCES headgate.object(object_id);
ALTER TABLE ONLY headgate.removal
    ADD CONSTRAINT removal_removed_by_fkey FOREIGN KEY (removed_by) REFERENCES headgate.object(object_id);
ALTER TABLE ONLY headgate.replay
    ADD CONSTRAINT replay_object_id_fkey FOREIGN KEY (object_id) REFERENCES headgate.object(object_id);
GRANT USAGE ON SCHEMA headgate TO headgate_loader;
GRANT USAGE ON SCHEMA headgate TO headgate_pipeline;
GRANT USAGE ON SCHEMA headgate TO headgate_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE headgate.error TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.error TO headgate_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE headgate.error TO headgate_loader;
REVOKE ALL ON FUNCTION headgate.error_matching(datasets text[], runs bigint[], objects bigint[], chunks bigint[], causes text[], classes text[], ids bigint[], message_ids text[], since timestamp with time zone, pattern text, states text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION headgate.error_matching(datasets text[], runs bigint[], objects bigint[], chunks bigint[], causes text[], classes text[], ids bigint[], message_ids text[], since timestamp with time zone, pattern text, states text[]) TO headgate_pipeline;
GRANT ALL ON FUNCTION headgate.error_matching(datasets text[], runs bigint[], objects bigint[], chunks bigint[], causes text[], classes text[], ids bigint[], message_ids text[], since timestamp with time zone, pattern text, states text[]) TO headgate_reader;
REVOKE ALL ON FUNCTION headgate.evolve(of_dataset text, column_names text[], headers text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION headgate.evolve(of_dataset text, column_names text[], headers text[]) TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.object TO headgate_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE headgate.object TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.object TO headgate_loader;
REVOKE ALL ON FUNCTION headgate.new_objects(of_dataset text, of_bucket text, of_run bigint, of_contract integer, reload boolean, try_held boolean, keys text[], etags text[], sizes bigint[], modified timestamp with time zone[], version_ids text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION headgate.new_objects(of_dataset text, of_bucket text, of_run bigint, of_contract integer, reload boolean, try_held boolean, keys text[], etags text[], sizes bigint[], modified timestamp with time zone[], version_ids text[]) TO headgate_pipeline;
REVOKE ALL ON FUNCTION headgate.prune_receipts(of_dataset text, before timestamp with time zone, after_loaded_at timestamp with time zone, after_object bigint, at_most integer, dry_run boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION headgate.prune_receipts(of_dataset text, before timestamp with time zone, after_loaded_at timestamp with time zone, after_object bigint, at_most integer, dry_run boolean) TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.quarantine TO headgate_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE headgate.quarantine TO headgate_pipeline;
GRANT INSERT ON TABLE headgate.quarantine TO headgate_loader;
REVOKE ALL ON FUNCTION headgate.quarantine_matching(of_dataset text, of_object text, of_rules text[], of_column text, of_run bigint, since timestamp with time zone, of_state text, ids bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION headgate.quarantine_matching(of_dataset text, of_object text, of_rules text[], of_column text, of_run bigint, since timestamp with time zone, of_state text, ids bigint[]) TO headgate_pipeline;
GRANT ALL ON FUNCTION headgate.quarantine_matching(of_dataset text, of_object text, of_rules text[], of_column text, of_run bigint, since timestamp with time zone, of_state text, ids bigint[]) TO headgate_reader;
REVOKE ALL ON FUNCTION headgate.remove_vanished(of_object bigint, threshold double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION headgate.remove_vanished(of_object bigint, threshold double precision) TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.batch TO headgate_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE headgate.batch TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.batch TO headgate_loader;
GRANT SELECT ON TABLE headgate.chunk TO headgate_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE headgate.chunk TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.chunk TO headgate_loader;
GRANT SELECT ON TABLE headgate.closed_chunk TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.closed_chunk TO headgate_reader;
GRANT SELECT ON TABLE headgate.closed_chunk TO headgate_loader;
GRANT SELECT ON TABLE headgate.dataset TO headgate_reader;
GRANT SELECT ON TABLE headgate.dataset TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.dataset TO headgate_loader;
GRANT SELECT ON TABLE headgate.receipt TO headgate_reader;
GRANT SELECT ON TABLE headgate.receipt TO headgate_pipeline;
GRANT SELECT,INSERT,UPDATE ON TABLE headgate.receipt TO headgate_loader;
GRANT SELECT ON TABLE headgate.removal TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.removal TO headgate_reader;
REVOKE ALL ON FUNCTION headgate.row_history(of_dataset text, of_key text, of_row bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION headgate.row_history(of_dataset text, of_key text, of_row bigint) TO headgate_pipeline;
GRANT ALL ON FUNCTION headgate.row_history(of_dataset text, of_key text, of_row bigint) TO headgate_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE headgate.silence TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.silence TO headgate_reader;
GRANT SELECT ON TABLE headgate.silence TO headgate_loader;
REVOKE ALL ON FUNCTION headgate.silenced_until(labels jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION headgate.silenced_until(labels jsonb) TO headgate_loader;
GRANT ALL ON FUNCTION headgate.silenced_until(labels jsonb) TO headgate_pipeline;
GRANT ALL ON FUNCTION headgate.silenced_until(labels jsonb) TO headgate_reader;
REVOKE ALL ON FUNCTION headgate.vouched_since(written_by bigint, version bigint, object_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION headgate.vouched_since(written_by bigint, version bigint, object_id bigint) TO headgate_loader;
GRANT ALL ON FUNCTION headgate.vouched_since(written_by bigint, version bigint, object_id bigint) TO headgate_pipeline;
GRANT ALL ON FUNCTION headgate.vouched_since(written_by bigint, version bigint, object_id bigint) TO headgate_reader;
GRANT SELECT,INSERT ON TABLE headgate.adoption TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.adoption TO headgate_reader;
GRANT SELECT ON TABLE headgate.alert TO headgate_reader;
GRANT SELECT,DELETE,UPDATE ON TABLE headgate.alert TO headgate_pipeline;
GRANT SELECT,INSERT,UPDATE ON TABLE headgate.alert TO headgate_loader;
GRANT SELECT,UPDATE ON TABLE headgate.alert_group TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.alert_group TO headgate_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE headgate.alert_group TO headgate_loader;
GRANT SELECT ON TABLE headgate.alert_member TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.alert_member TO headgate_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE headgate.alert_member TO headgate_loader;
GRANT SELECT ON TABLE headgate.alertmanager_feed TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.alertmanager_feed TO headgate_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE headgate.alertmanager_feed TO headgate_loader;
GRANT SELECT ON TABLE headgate.alerts TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.alerts TO headgate_reader;
GRANT SELECT ON TABLE headgate.alerts TO headgate_loader;
GRANT SELECT ON TABLE headgate.batch_message TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.batch_message TO headgate_reader;
GRANT SELECT ON TABLE headgate.books_chunk TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.books_chunk TO headgate_reader;
GRANT SELECT ON TABLE headgate.books_object TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.books_object TO headgate_reader;
GRANT SELECT ON TABLE headgate.run TO headgate_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE headgate.run TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.books_run TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.books_run TO headgate_reader;
GRANT SELECT ON TABLE headgate.delivery TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.delivery TO headgate_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE headgate.delivery TO headgate_loader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE headgate.event TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.event TO headgate_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE headgate.event TO headgate_loader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE headgate."fetch" TO headgate_pipeline;
GRANT SELECT ON TABLE headgate."fetch" TO headgate_reader;
GRANT SELECT ON TABLE headgate."fetch" TO headgate_loader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE headgate.fetch_by_run TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.fetch_by_run TO headgate_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE headgate.live TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.live TO headgate_reader;
GRANT SELECT,INSERT,DELETE ON TABLE headgate.live_batch TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.live_batch TO headgate_reader;
GRANT SELECT,INSERT,DELETE ON TABLE headgate.message_replay TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.message_replay TO headgate_reader;
GRANT SELECT ON TABLE headgate.migration TO headgate_reader;
GRANT SELECT ON TABLE headgate.migration TO headgate_pipeline;
GRANT SELECT,DELETE ON TABLE headgate.notification TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.notification TO headgate_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE headgate.notification TO headgate_loader;
GRANT SELECT ON TABLE headgate.replay TO headgate_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE headgate.replay TO headgate_pipeline;
GRANT SELECT,INSERT,UPDATE ON TABLE headgate.source TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.source TO headgate_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE headgate.source_call TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.source_call TO headgate_reader;
GRANT SELECT ON TABLE headgate.watch TO headgate_pipeline;
GRANT SELECT ON TABLE headgate.watch TO headgate_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE headgate.watch TO headgate_loader;
ALTER DEFAULT PRIVILEGES FOR ROLE headgate_owner IN SCHEMA headgate GRANT SELECT ON TABLES TO headgate_pipeline;
ALTER DEFAULT PRIVILEGES FOR ROLE headgate_owner IN SCHEMA headgate GRANT SELECT ON TABLES TO headgate_reader;
