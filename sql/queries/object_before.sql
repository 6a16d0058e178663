-- What inspection learned of the dataset's newest object before this one.
SELECT inspection
FROM headgate.object
WHERE dataset = %(dataset)s
    AND version < %(version)s
    AND state IN ('inspected', 'validated', 'published', 'loaded')
    AND replay_of IS NULL
ORDER BY version DESC
LIMIT 1;
