-- What happened to row 4,711? One line for each version of the object that has such a row.
CREATE OR REPLACE FUNCTION headgate.row_history(of_dataset text, of_key text, of_row bigint)
RETURNS TABLE (
    object_id     bigint,
    version       bigint,
    run_id        bigint,
    object_state  text,
    chunk         integer,      -- ordinal, NULL where the object has no such row
    outcome       text,         -- quarantined, applied, on its way, not published, applied or blank, blank, no such row
    reason        text,         -- of the quarantined row, or why the object is held
    rule          text,
    column_name   text,
    resolution    text,         -- open, replayed, dismissed
    replay_key    text,         -- the landing object that carries its replay, as this row of it
    replay_row    bigint,
    message_id    uuid,         -- of the batch that carried it; NULL when that is pruned
    happened_at   timestamptz
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT
        o.object_id,
        o.version,
        o.run_id,
        o.state,
        c.ordinal,
        CASE
            WHEN q.quarantine_id IS NOT NULL THEN 'quarantined'
            WHEN o.state NOT IN ('published', 'loaded') THEN 'not published'
            WHEN c.chunk_id IS NULL THEN 'no such row'
            WHEN b.message_id IS NULL AND x.chunk_id IS NULL THEN 'blank'
            WHEN r.message_id IS NULL AND x.chunk_id IS NULL THEN 'on its way'
            WHEN c.rows_blank > 0 THEN 'applied or blank'  -- blank records are counted, not numbered
            ELSE 'applied'
        END,
        coalesce(q.reason, o.reason),
        q.rule,
        q.column_name,
        q.state,
        q.replay_key,
        CASE WHEN q.replay_key IS NOT NULL THEN (
            SELECT count(*)
            FROM headgate.quarantine p
            WHERE p.object_id = q.object_id AND p.replay_key = q.replay_key AND p.row_number <= q.row_number
        ) END,
        coalesce(q.message_id, b.message_id),
        coalesce(q.created_at, r.applied_at, o.loaded_at, o.published_at, o.found_at)
    FROM headgate.object o
    LEFT JOIN LATERAL (
        SELECT p.chunk_id, p.ordinal, p.rows_blank
        FROM headgate.chunk p
        WHERE p.object_id = o.object_id AND of_row >= p.first_row AND of_row < p.first_row + p.records
        ORDER BY p.ordinal
        LIMIT 1
    ) c ON true
    LEFT JOIN headgate.quarantine q ON q.object_id = o.object_id AND q.row_number = of_row
    LEFT JOIN headgate.batch b ON b.chunk_id = c.chunk_id AND of_row BETWEEN b.first_row AND b.last_row
    LEFT JOIN headgate.receipt r ON r.message_id = b.message_id
    LEFT JOIN headgate.closed_chunk x ON x.chunk_id = c.chunk_id
    WHERE o.dataset = of_dataset AND o.key = of_key
    ORDER BY o.object_id;
END;
REVOKE ALL ON FUNCTION headgate.row_history FROM PUBLIC;
GRANT EXECUTE ON FUNCTION headgate.row_history TO headgate_pipeline, headgate_reader;
