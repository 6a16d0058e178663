-- The version that vouches for a row: the newest published one in the succession of the object that
-- last wrote it. Unchanged rows are not rewritten, so the stored version may be older than this.
CREATE OR REPLACE FUNCTION headgate.effective_version(of_object bigint) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT max(n.version)
    FROM headgate.object o
    JOIN headgate.object n ON n.dataset = o.dataset AND n.lineage = o.lineage AND n.state IN ('published', 'loaded')
    WHERE o.object_id = of_object;
END;
REVOKE ALL ON FUNCTION headgate.effective_version FROM PUBLIC;
GRANT EXECUTE ON FUNCTION headgate.effective_version TO headgate_loader, headgate_pipeline, headgate_reader;
