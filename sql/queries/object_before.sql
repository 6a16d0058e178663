-- Headers of the dataset's newest objects before this one, each once, the newest first; objects that arrived at
-- the same time stand in the order in which they are inspected. An answer of an API without records has none.
SELECT header, columns
FROM (
    SELECT inspection -> 'header' AS header, inspection -> 'columns' AS columns, version, object_id
    FROM headgate.object
    WHERE dataset = %(dataset)s
        AND (version, object_id) < (%(version)s, %(object_id)s)
        AND state IN ('inspected', 'validated', 'published', 'loaded')
        AND replay_of IS NULL
        AND inspection -> 'header' <> '[]'
    ORDER BY version DESC, object_id DESC
    LIMIT %(limit)s
) AS newest
GROUP BY header, columns
ORDER BY max((version, object_id)) DESC;
