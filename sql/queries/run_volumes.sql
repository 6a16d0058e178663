-- Rows of the dataset's last runs before this one that took all that was new and took something. The runs are found
-- by what they loaded: most runs of a dataset that is looked at often find nothing.
SELECT rows
FROM (
    SELECT
        (
            SELECT coalesce(sum(c.rows_read), 0)::bigint
            FROM headgate.object o
            JOIN headgate.chunk c USING (object_id)
            WHERE o.run_id = r.run_id AND o.state = 'loaded' AND o.replay_of IS NULL
        ) AS rows
    FROM (
        SELECT DISTINCT run_id
        FROM headgate.object
        WHERE dataset = %(dataset)s AND run_id < %(run_id)s AND state = 'loaded' AND replay_of IS NULL
        ORDER BY run_id DESC
    ) loaded
    JOIN headgate.run r USING (run_id)
    WHERE r.state = 'success'
        AND r.kind NOT IN ('backfill', 'live')
        AND coalesce(jsonb_array_length(r.params -> 'objects'), 0) = 0
        AND coalesce(r.params ->> 'prefix', '') = ''
        AND NOT coalesce((r.params ->> 'reload')::boolean, false)
    ORDER BY loaded.run_id DESC
) volumes
WHERE rows > 0
LIMIT %(limit)s;
