-- The books of each run: the sum of its objects.
CREATE OR REPLACE VIEW headgate.books_run AS
SELECT
    r.dataset,
    r.run_id,
    r.dag_run_id,
    r.kind,
    r.state,
    r.reason,
    r.started_at,
    r.finished_at,
    o.objects,
    o.held,
    o.read,
    o.inserted,
    o.updated,
    o.unchanged,
    o.superseded,
    o.quarantined,
    o.blank,
    o.missing,
    o.batches_missing,
    o.balanced,
    o.removed
FROM headgate.run r
CROSS JOIN LATERAL (
    SELECT
        count(*) AS objects,
        count(*) FILTER (WHERE p.state = 'held') AS held,
        coalesce(sum(p.read), 0)::bigint AS read,
        coalesce(sum(p.inserted), 0)::bigint AS inserted,
        coalesce(sum(p.updated), 0)::bigint AS updated,
        coalesce(sum(p.unchanged), 0)::bigint AS unchanged,
        coalesce(sum(p.superseded), 0)::bigint AS superseded,
        coalesce(sum(p.quarantined), 0)::bigint AS quarantined,
        coalesce(sum(p.blank), 0)::bigint AS blank,
        coalesce(sum(p.missing), 0)::bigint AS missing,
        coalesce(sum(p.batches_missing), 0)::bigint AS batches_missing,
        coalesce(bool_and(p.balanced), true) AS balanced,
        coalesce(sum(p.removed), 0)::bigint AS removed
    FROM headgate.books_object p
    WHERE p.run_id = r.run_id
) o;
COMMENT ON VIEW headgate.books_run IS 'Rows of each run, and whether its books balance';
