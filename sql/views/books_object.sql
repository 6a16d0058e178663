-- The books of each object version. Nothing of a held, duplicate or unpublished object went anywhere, or a reload
-- accounts for it: its counts are zero and `state` and `reason` say why; what validation counted is in `seen`.
CREATE OR REPLACE VIEW headgate.books_object AS
SELECT
    o.dataset,
    o.run_id,
    o.object_id,
    o.key,
    o.version,
    o.state,
    o.reason,
    o.size,
    o.replay_of,
    o.state IN ('published', 'loaded') AS published,
    c.chunks,
    c.seen,
    CASE WHEN o.state IN ('published', 'loaded') THEN c.read ELSE 0 END AS read,
    CASE WHEN o.state IN ('published', 'loaded') THEN c.inserted ELSE 0 END AS inserted,
    CASE WHEN o.state IN ('published', 'loaded') THEN c.updated ELSE 0 END AS updated,
    CASE WHEN o.state IN ('published', 'loaded') THEN c.unchanged ELSE 0 END AS unchanged,
    CASE WHEN o.state IN ('published', 'loaded') THEN c.superseded ELSE 0 END AS superseded,
    CASE WHEN o.state IN ('published', 'loaded') THEN c.quarantined ELSE 0 END AS quarantined,
    CASE WHEN o.state IN ('published', 'loaded') THEN c.blank ELSE 0 END AS blank,
    CASE WHEN o.state IN ('published', 'loaded') THEN c.missing ELSE 0 END AS missing,
    CASE WHEN o.state IN ('published', 'loaded') THEN c.batches_missing ELSE 0 END AS batches_missing,
    CASE
        WHEN o.state IN ('published', 'loaded') THEN c.balanced
        ELSE o.state IN ('held', 'duplicate')
    END AS balanced,
    o.published_at,
    o.loaded_at,
    o.rows_removed AS removed
FROM headgate.object o
CROSS JOIN LATERAL (
    SELECT
        count(*) AS chunks,
        coalesce(sum(p.read), 0)::bigint AS seen,
        coalesce(sum(p.read), 0)::bigint AS read,
        coalesce(sum(p.inserted), 0)::bigint AS inserted,
        coalesce(sum(p.updated), 0)::bigint AS updated,
        coalesce(sum(p.unchanged), 0)::bigint AS unchanged,
        coalesce(sum(p.superseded), 0)::bigint AS superseded,
        coalesce(sum(p.quarantined), 0)::bigint AS quarantined,
        coalesce(sum(p.blank), 0)::bigint AS blank,
        coalesce(sum(p.missing), 0)::bigint AS missing,
        coalesce(sum(p.batches_missing), 0)::bigint AS batches_missing,
        coalesce(bool_and(p.balanced), true) AS balanced
    FROM headgate.books_chunk p
    WHERE p.object_id = o.object_id
) c;
COMMENT ON VIEW headgate.books_object IS
    'Rows of each object version; balanced: every row read is in the table, confirmed, superseded or quarantined. '
    'removed: rows of versions before it that it no longer had (policy replace)';
