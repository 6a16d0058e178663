-- A reload is published: an earlier version of the key that a run now over left published and not loaded is given up,
-- be its messages lost or its staged bytes gone. The reload accounts for all of its rows; messages of it that come
-- yet are superseded.
UPDATE headgate.object o
SET state = 'held', reason = format('not loaded completely; object %%s read it again', n.object_id)
FROM headgate.object n
JOIN headgate.run y ON y.run_id = n.run_id AND (y.params ->> 'reload')::boolean
CROSS JOIN headgate.run r
WHERE n.object_id = %(object_id)s
    AND o.dataset = n.dataset AND o.bucket = n.bucket AND o.key = n.key
    AND o.object_id < n.object_id
    AND o.state = 'published'
    AND o.run_id <> n.run_id
    AND r.run_id = o.run_id AND r.state <> 'running';
