-- What runs of long ago had to fetch stands in their sums. Intervals that were landed then are not asked for again,
-- nor those that failed and that they hold; the newest one says how far the dataset is.
WITH by_runs AS (
    DELETE FROM headgate.fetch_by_run AS o
    USING headgate.run AS r
    WHERE r.run_id = o.run_id AND r.dataset = %(dataset)s AND r.started_at < %(before)s AND r.state <> 'running'
)
DELETE FROM headgate.fetch AS f
WHERE %(intervals)s
    AND f.dataset = %(dataset)s
    AND f.window_end < (SELECT max(n.window_end) FROM headgate.fetch AS n WHERE n.dataset = %(dataset)s AND n.routine)
    AND (
        f.state = 'landed' AND f.fetched_at < %(before)s
        OR f.state = 'failed' AND EXISTS (
            SELECT FROM headgate.fetch AS l
            WHERE l.dataset = %(dataset)s
                AND l.state = 'landed'
                AND l.fetched_at < %(before)s
                AND l.slice = f.slice
                AND l.window_start <= f.window_start
                AND l.window_end >= f.window_end
        )
    );
