-- Sum up in a run's own row what it fetched: a line for each state and reason, the first hundred of them. A run that is
-- cleared when its windows are forgotten keeps what it had.
UPDATE headgate.run
SET fetched = coalesce((
    SELECT jsonb_agg(to_jsonb(s))
    FROM (
        SELECT
            f.state,
            f.fault,
            f.reason,
            count(*) AS windows,
            sum(f.pages) AS pages,
            sum(f.pages_new) AS pages_new
        FROM headgate.fetch_by_run AS f
        WHERE f.run_id = %(run_id)s
        GROUP BY f.state, f.fault, f.reason
        ORDER BY f.state DESC, windows DESC, f.reason
        LIMIT 100
    ) AS s
), fetched)
WHERE run_id = %(run_id)s;
