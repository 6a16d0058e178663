-- Whether something newer than an object version vouches for a row: the newest published version in the succession
-- of the object that last wrote it. Unchanged rows are not rewritten, so the row's own version may be older. Of two
-- objects of the same moment the later entry in the ledger is newer. A replay vouches for its own rows only, and so
-- does a version that takes over all rows that it has: an answer of an API, or of a contract that says `replace`.
CREATE OR REPLACE FUNCTION headgate.vouched_since(written_by bigint, version bigint, object_id bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT
        FROM headgate.object o
        JOIN headgate.object n ON n.dataset = o.dataset AND n.lineage = o.lineage
        WHERE o.object_id = written_by
            AND n.version >= vouched_since.version
            AND (n.version, n.object_id) > (vouched_since.version, vouched_since.object_id)
            AND n.state IN ('published', 'loaded')
            AND n.replay_of IS NULL
            AND NOT EXISTS (
                SELECT FROM headgate.dataset d
                WHERE d.dataset = n.dataset AND d.version = n.contract_version AND d.takes_over
            )
    );
END;
REVOKE ALL ON FUNCTION headgate.vouched_since FROM PUBLIC;
GRANT EXECUTE ON FUNCTION headgate.vouched_since TO headgate_loader, headgate_pipeline, headgate_reader;
