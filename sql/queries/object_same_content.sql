-- The published version of the same key with this content, and whether it is the newest one. Of one key all versions
-- are of one lineage.
SELECT same.object_id, same.version, same.object_id = newest.object_id AS newest
FROM headgate.object o
CROSS JOIN LATERAL (
    SELECT p.object_id, p.version
    FROM headgate.object p
    WHERE p.dataset = o.dataset AND p.sha256 = %(sha256)s AND p.key = o.key AND p.bucket = o.bucket
        AND p.object_id <> o.object_id
        AND p.state IN ('published', 'loaded')
    ORDER BY p.version DESC, p.object_id DESC
    LIMIT 1
) same
CROSS JOIN LATERAL (
    SELECT p.object_id
    FROM headgate.object p
    WHERE p.dataset = o.dataset AND p.lineage = o.lineage AND p.key = o.key AND p.bucket = o.bucket
        AND p.object_id <> o.object_id
        AND p.state IN ('published', 'loaded')
    ORDER BY p.version DESC, p.object_id DESC
    LIMIT 1
) newest
WHERE o.object_id = %(object_id)s;
