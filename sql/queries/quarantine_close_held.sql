-- Examples kept of versions of the key that were held are of no use once a version is published.
UPDATE headgate.quarantine q
SET state = 'dismissed',
    resolved_at = now(),
    resolved_by = session_user,
    note = format('object %%s of the same key was published instead', o.object_id)
FROM headgate.object o
JOIN headgate.object h
    ON h.dataset = o.dataset AND h.bucket = o.bucket AND h.key = o.key
    AND h.object_id < o.object_id AND h.state = 'held'
WHERE o.object_id = %(object_id)s AND q.object_id = h.object_id AND q.state = 'open';
