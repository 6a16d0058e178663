-- Prunes batches and receipts of objects that were loaded before a time, the oldest first: their sums go into
-- closed_chunk. Left alone is whatever the books or a person may still need: an object whose books do not balance,
-- with an error that is not settled, or with rows in quarantine that nobody has decided on. `at_most` objects are
-- one call's work, NULL means all; the next call goes on after the last of them, so that what is left alone is
-- looked at once. The pipeline role may not delete receipts; this is its only way to.
CREATE OR REPLACE FUNCTION headgate.prune_receipts(
    of_dataset text, before timestamptz, after_loaded_at timestamptz, after_object bigint, at_most integer,
    dry_run boolean
)
RETURNS TABLE (objects bigint, receipts bigint, last_loaded_at timestamptz, last_object bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '60s'
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
REVOKE ALL ON FUNCTION headgate.prune_receipts FROM PUBLIC;
GRANT EXECUTE ON FUNCTION headgate.prune_receipts TO headgate_pipeline;
