UPDATE headgate.alert a
SET resolved_at = now()
FROM headgate.object o
JOIN headgate.object h
    ON h.dataset = o.dataset AND h.bucket = o.bucket AND h.key = o.key
    AND h.object_id < o.object_id AND h.state = 'held'
WHERE o.object_id = %(object_id)s
    AND a.kind = 'object.held'
    AND a.dataset = o.dataset
    AND a.object_id = h.object_id
    AND a.resolved_at IS NULL;
