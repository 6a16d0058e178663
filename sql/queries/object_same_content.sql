-- The published version of the same key with this content, and whether it is the newest one.
WITH earlier AS (
    SELECT
        p.object_id,
        p.version,
        p.sha256,
        row_number() OVER (ORDER BY p.version DESC, p.object_id DESC) = 1 AS newest
    FROM headgate.object p
    JOIN headgate.object o ON p.dataset = o.dataset AND p.bucket = o.bucket AND p.key = o.key
    WHERE o.object_id = %(object_id)s
        AND p.object_id <> o.object_id
        AND p.state IN ('published', 'loaded')
)
SELECT object_id, version, newest
FROM earlier
WHERE sha256 = %(sha256)s
ORDER BY newest DESC, version DESC
LIMIT 1;
