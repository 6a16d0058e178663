-- Objects after this one whose staged bytes nobody needs any more: loaded ones, and those that will never be
-- published. A run that goes on may still want them, as may a failed message.
SELECT o.object_id
FROM headgate.object o
JOIN headgate.run r USING (run_id)
WHERE o.object_id > %(after)s
    AND o.dataset = %(dataset)s
    AND o.state IN ('loaded', 'held', 'duplicate')
    AND o.staging_pruned_at IS NULL
    AND coalesce(o.loaded_at, o.found_at) < now() - make_interval(days => nullif(%(days)s, 0))
    AND r.state <> 'running'
    AND NOT EXISTS (
        SELECT FROM headgate.error e
        WHERE e.object_id = o.object_id AND e.state IN ('retrying', 'parked', 'replayed')
    )
ORDER BY o.object_id
LIMIT %(limit)s;
