-- Which listed objects are new to the ledger? Each key is compared with its newest row by one index lookup,
-- so the cost is that of the listing, not of the history. A held object is tried again when it was put again (the
-- same bytes, too: it may have been cut off or gone when it was read), when the contract changed since, or when
-- `try_held` (the user named it, or lets rejects pass); `reload` takes everything once a run.
CREATE OR REPLACE FUNCTION headgate.new_objects(
    of_dataset text, of_bucket text, of_run bigint, of_contract integer, reload boolean, try_held boolean,
    keys text[], etags text[], sizes bigint[], modified timestamptz[], version_ids text[]
)
RETURNS TABLE (key text, etag text, size bigint, last_modified timestamptz, version_id text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT l.key, l.etag, l.size, l.last_modified, l.version_id
    FROM unnest(keys, etags, sizes, modified, version_ids) AS l (key, etag, size, last_modified, version_id)
    LEFT JOIN LATERAL (
        SELECT o.object_id, o.etag, o.size, o.state, o.contract_version, o.run_id, o.last_modified
        FROM headgate.object o
        WHERE o.dataset = of_dataset AND o.bucket = of_bucket AND o.key = l.key
        ORDER BY o.object_id DESC
        LIMIT 1
    ) newest ON true
    WHERE newest.object_id IS NULL
        OR (newest.etag, newest.size) <> (l.etag, l.size)
        OR (newest.state = 'held' AND (
            newest.last_modified < l.last_modified OR newest.contract_version <> of_contract OR reload OR try_held
        ))
        OR (reload AND newest.run_id <> of_run)
    ORDER BY l.last_modified, l.key;
END;
REVOKE ALL ON FUNCTION headgate.new_objects FROM PUBLIC;
GRANT EXECUTE ON FUNCTION headgate.new_objects TO headgate_pipeline;
