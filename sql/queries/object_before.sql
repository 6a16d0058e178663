-- What inspection learned of the dataset's newest object before this one; of several that arrived at the same
-- time in the order in which they are inspected.
SELECT inspection
FROM headgate.object
WHERE dataset = %(dataset)s
    AND (version, object_id) < (%(version)s, %(object_id)s)
    AND state IN ('inspected', 'validated', 'published', 'loaded')
    AND replay_of IS NULL
ORDER BY version DESC, object_id DESC
LIMIT 1;
