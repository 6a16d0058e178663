-- The books of each chunk: what was read, where it went, what has not come back yet.
-- Receipts and quarantined rows are looked up per chunk, so the cost is that of the chunks asked for.
CREATE OR REPLACE VIEW headgate.books_chunk AS
SELECT
    o.dataset,
    o.run_id,
    c.object_id,
    o.key,
    o.state AS object_state,
    c.chunk_id,
    c.ordinal AS chunk,
    c.state,
    c.rows_read AS read,
    r.inserted + t.inserted AS inserted,
    r.updated + t.updated AS updated,
    r.unchanged + t.unchanged AS unchanged,
    r.superseded + t.superseded AS superseded,
    c.rows_rejected + r.quarantined + t.quarantined AS quarantined,
    c.rows_blank AS blank,
    c.rows_accepted - r.rows - t.rows AS missing,
    b.batches + t.batches AS batches,
    b.batches - r.receipts AS batches_missing,
    q.rows AS quarantine_rows,
    c.state <> 'planned'
    AND b.rows + t.rows = c.rows_accepted
    AND b.batches = r.receipts
    AND c.rows_read = c.rows_rejected
        + r.inserted + r.updated + r.unchanged + r.superseded + r.quarantined
        + t.inserted + t.updated + t.unchanged + t.superseded + t.quarantined
    AND c.rows_rejected + r.quarantined + t.quarantined = q.rows AS balanced
FROM headgate.chunk c
JOIN headgate.object o USING (object_id)
CROSS JOIN LATERAL (
    SELECT count(*) AS batches, coalesce(sum(p.rows), 0)::bigint AS rows
    FROM headgate.batch p
    WHERE p.chunk_id = c.chunk_id
) b
CROSS JOIN LATERAL (
    SELECT
        count(*) AS receipts,
        coalesce(sum(p.rows), 0)::bigint AS rows,
        coalesce(sum(p.inserted), 0)::bigint AS inserted,
        coalesce(sum(p.updated), 0)::bigint AS updated,
        coalesce(sum(p.unchanged), 0)::bigint AS unchanged,
        coalesce(sum(p.superseded), 0)::bigint AS superseded,
        coalesce(sum(p.quarantined), 0)::bigint AS quarantined
    FROM headgate.receipt p
    WHERE p.chunk_id = c.chunk_id
) r
CROSS JOIN LATERAL (
    -- What was pruned of them.
    SELECT
        coalesce(sum(p.batches), 0)::bigint AS batches,
        coalesce(sum(p.rows), 0)::bigint AS rows,
        coalesce(sum(p.inserted), 0)::bigint AS inserted,
        coalesce(sum(p.updated), 0)::bigint AS updated,
        coalesce(sum(p.unchanged), 0)::bigint AS unchanged,
        coalesce(sum(p.superseded), 0)::bigint AS superseded,
        coalesce(sum(p.quarantined), 0)::bigint AS quarantined
    FROM headgate.closed_chunk p
    WHERE p.chunk_id = c.chunk_id
) t
CROSS JOIN LATERAL (
    SELECT count(*) AS rows FROM headgate.quarantine p WHERE p.chunk_id = c.chunk_id
) q;
COMMENT ON VIEW headgate.books_chunk IS
    'Rows of each chunk: read = inserted + updated + unchanged + superseded + quarantined; missing = no receipt yet';
