-- Rows of the dataset's last runs before this one that took all that was new and took something.
SELECT v.rows
FROM headgate.run r
CROSS JOIN LATERAL (
    SELECT coalesce(sum(c.rows_read), 0)::bigint AS rows
    FROM headgate.object o
    JOIN headgate.chunk c USING (object_id)
    WHERE o.run_id = r.run_id AND o.state = 'loaded' AND o.replay_of IS NULL
) v
WHERE r.dataset = %(dataset)s
    AND r.run_id < %(run_id)s
    AND r.state = 'success'
    AND r.kind <> 'backfill'
    AND coalesce(jsonb_array_length(r.params -> 'objects'), 0) = 0
    AND coalesce(r.params ->> 'prefix', '') = ''
    AND NOT coalesce((r.params ->> 'reload')::boolean, false)
    AND v.rows > 0
ORDER BY r.run_id DESC
LIMIT %(limit)s;
