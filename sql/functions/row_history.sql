-- What happened to row 4,711? One line for each version of the object that has such a row.
CREATE OR REPLACE FUNCTION headgate.row_history(of_dataset text, of_key text, of_row bigint)
RETURNS TABLE (
    object_id     bigint,
    version       bigint,
    run_id        bigint,
    object_state  text,
    chunk         integer,      -- ordinal, NULL where the object has no such row
    outcome       text,         -- quarantined, removed, applied, on its way, not published, applied or blank, blank,
                                -- no such row
    reason        text,         -- of the quarantined row, who removed or took over the row, or why the object is held
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
            WHEN v.removed_by IS NOT NULL THEN 'removed'
            WHEN b.message_id IS NULL AND x.chunk_id IS NULL THEN 'blank'
            WHEN r.message_id IS NULL AND x.chunk_id IS NULL THEN 'on its way'
            WHEN c.rows_blank > 0 THEN 'applied or blank'  -- blank records are counted, not numbered
            ELSE 'applied'
        END,
        coalesce(
            q.reason,
            'object ' || v.removed_by || ', a later version, no longer has it',
            o.reason,
            'object ' || n.object_id || ' or a later version has it, too, and stands for it'
        ),
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
        coalesce(q.created_at, v.removed_at, r.applied_at, o.loaded_at, o.published_at, o.found_at)
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
    LEFT JOIN headgate.removal v ON v.object_id = o.object_id AND v.row_numbers @> of_row
    -- By policy `replace` the next version took over each row that it did not have removed; one with a reason kept some.
    LEFT JOIN LATERAL (
        SELECT p.object_id, p.reason, d.replaces
        FROM headgate.object p
        JOIN headgate.dataset d ON d.dataset = p.dataset AND d.version = p.contract_version
        WHERE p.dataset = o.dataset AND p.lineage = o.lineage AND p.version > o.version AND p.state = 'loaded'
        ORDER BY p.version
        LIMIT 1
    ) n ON n.replaces AND n.reason IS NULL AND r.message_id IS NOT NULL
    WHERE o.dataset = of_dataset AND o.key = of_key
    ORDER BY o.object_id;
END;
REVOKE ALL ON FUNCTION headgate.row_history FROM PUBLIC;
GRANT EXECUTE ON FUNCTION headgate.row_history TO headgate_pipeline, headgate_reader;
