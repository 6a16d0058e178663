-- The errors that a person's conditions mean, with the time by which they are paged; NULL is no condition, of several
-- values one is enough.
CREATE OR REPLACE FUNCTION headgate.error_matching(
    datasets text[], runs bigint[], objects bigint[], chunks bigint[], causes text[], classes text[],
    ids bigint[], message_ids text[], since timestamptz, pattern text, states text[]
)
RETURNS TABLE (error_id bigint, last_failed_at timestamptz)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT e.error_id, e.last_failed_at
    FROM headgate.error e
    WHERE (datasets IS NULL OR e.dataset = ANY (datasets))
        AND (runs IS NULL OR e.run_id = ANY (runs))
        AND (objects IS NULL OR e.object_id = ANY (objects))
        AND (chunks IS NULL OR e.chunk_id = ANY (chunks))
        AND (causes IS NULL OR e.cause = ANY (causes))
        AND (classes IS NULL OR e.class = ANY (classes))
        AND (ids IS NULL OR e.error_id = ANY (ids))
        AND (message_ids IS NULL OR e.message_id = ANY (message_ids))
        AND (since IS NULL OR e.first_failed_at >= since)
        AND (pattern IS NULL OR e.reason ~ pattern)
        AND (states IS NULL OR e.state = ANY (states));
END;
REVOKE ALL ON FUNCTION headgate.error_matching FROM PUBLIC;
GRANT EXECUTE ON FUNCTION headgate.error_matching TO headgate_pipeline, headgate_reader;
