-- Records the new ones of a listing. The version is the time of arrival in microseconds, but never older than what
-- was listed under the key before: the store's clock may be coarse or wrong, a reload has the time of what it
-- reloads. A replay (its key stands in headgate.replay) is in its origin's succession and has its version.
INSERT INTO headgate.object
    (dataset, bucket, key, version_id, etag, size, last_modified, lineage, version, run_id, contract_version, replay_of)
SELECT
    %(dataset)s,
    %(bucket)s,
    n.key,
    n.version_id,
    n.etag,
    n.size,
    n.last_modified,
    coalesce(origin.lineage, n.key),
    coalesce(origin.version, greatest(arrival.version, newest.version + 1)),
    %(run_id)s,
    %(contract_version)s,
    origin.object_id
FROM headgate.new_objects(
    %(dataset)s, %(bucket)s, %(run_id)s, %(contract_version)s, %(reload)s, %(try_held)s,
    %(keys)s::text[], %(etags)s::text[], %(sizes)s::bigint[], %(modified)s::timestamptz[], %(version_ids)s::text[]
) n
CROSS JOIN LATERAL (SELECT (extract(epoch FROM n.last_modified) * 1000000)::bigint AS version) arrival
LEFT JOIN LATERAL (
    SELECT o.version
    FROM headgate.object o
    WHERE o.dataset = %(dataset)s AND o.lineage = n.key AND o.state NOT IN ('held', 'duplicate')
    ORDER BY o.version DESC
    LIMIT 1
) newest ON true
LEFT JOIN headgate.replay p ON p.replay_key = n.key AND p.dataset = %(dataset)s AND p.bucket = %(bucket)s
LEFT JOIN headgate.object origin ON origin.object_id = p.object_id
ORDER BY n.last_modified, n.key;
