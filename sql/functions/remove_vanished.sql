-- Policy `replace`: marks an object version loaded and removes the rows that it no longer has. Each version writes
-- every row that it has, so the vanished ones are those whose _object_id is of a version before it. May be called as
-- often as one likes once the version is published; yields nothing while a receipt is missing, or where the version's
-- contract has another policy.
-- Rows are kept when a newer version is published, which will remove its own; when the books do not balance; when rows
-- of the version are in quarantine, as one of them may be what seems to have vanished (a key that repeats is none); and
-- when they are more than the threshold's share of the table's rows of the object. One row may go where others stay:
-- of three rows it is a third, and no sign of a cut-off answer. With a threshold of 0 none may.
-- The pipeline role may not delete rows; this is its only way to.
CREATE OR REPLACE FUNCTION headgate.remove_vanished(of_object bigint, threshold double precision)
RETURNS TABLE (
    removed   bigint,
    vanished  bigint,   -- found to be gone from the object, removed or not
    of_rows   bigint,   -- of all versions of the object in the table, before the removal
    unsettled bigint    -- in quarantine, or on their way back from there
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '60s'
AS $$
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
$$;
REVOKE ALL ON FUNCTION headgate.remove_vanished FROM PUBLIC;
GRANT EXECUTE ON FUNCTION headgate.remove_vanished TO headgate_pipeline;
