-- The quarantined rows that a person's filters mean; NULL is no filter. Of several rules one is enough.
-- The first release knew a single rule.
DROP FUNCTION IF EXISTS headgate.quarantine_matching(text, text, text, text, bigint, timestamptz, text, bigint[]);
CREATE OR REPLACE FUNCTION headgate.quarantine_matching(
    of_dataset text, of_object text, of_rules text[], of_column text, of_run bigint,
    since timestamptz, of_state text, ids bigint[]
)
RETURNS TABLE (quarantine_id bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT q.quarantine_id
    FROM headgate.quarantine q
    JOIN headgate.object o USING (object_id)
    WHERE (of_dataset IS NULL OR q.dataset = of_dataset)
        AND (of_object IS NULL OR o.key = of_object OR o.key = q.dataset || '/' || of_object)
        AND (
            of_rules IS NULL
            OR q.rule = ANY (of_rules)
            OR jsonb_path_query_array(q.violations, '$[*].rule') ?| of_rules
        )
        AND (
            of_column IS NULL
            OR q.column_name = of_column
            OR q.violations @> jsonb_build_array(jsonb_build_object('column', of_column))
        )
        AND (of_run IS NULL OR o.run_id = of_run)
        AND (since IS NULL OR q.created_at >= since)
        AND (of_state IS NULL OR q.state = of_state)
        AND (ids IS NULL OR q.quarantine_id = ANY (ids));
END;
REVOKE ALL ON FUNCTION headgate.quarantine_matching FROM PUBLIC;
GRANT EXECUTE ON FUNCTION headgate.quarantine_matching TO headgate_pipeline, headgate_reader;
