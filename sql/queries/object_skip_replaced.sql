-- Objects left unread by a run that is over, of which a newer version has been listed since: nobody can read
-- them any more (the bucket keeps no versions) and nobody needs to.
WITH replaced AS (
    SELECT o.object_id, max(n.object_id) AS newer
    FROM headgate.object o
    JOIN headgate.run r USING (run_id)
    JOIN headgate.object n
        ON n.dataset = o.dataset AND n.bucket = o.bucket AND n.key = o.key AND n.object_id > o.object_id
    WHERE o.dataset = %(dataset)s
        AND o.state IN ('found', 'inspected', 'validated')
        AND o.version_id IS NULL
        AND r.state <> 'running'
    GROUP BY o.object_id
)
UPDATE headgate.object o
SET state = 'duplicate', reason = format('never read: object %%s replaced it first', replaced.newer)
FROM replaced
WHERE o.object_id = replaced.object_id
    AND o.state IN ('found', 'inspected', 'validated');  -- still, when the row's lock was waited for
