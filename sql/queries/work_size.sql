-- How much is before the run: tells the number of lanes.
SELECT
    (SELECT count(*) FROM headgate.object WHERE run_id = %(run_id)s AND state = 'found') AS objects,
    (
        SELECT coalesce(sum(size), 0)::bigint FROM headgate.object WHERE run_id = %(run_id)s AND state = 'found'
    ) AS object_bytes,
    count(*) AS chunks,
    coalesce(sum((c.source ->> 'length')::bigint), 0)::bigint AS chunk_bytes
FROM headgate.object o
JOIN headgate.chunk c USING (object_id)
WHERE o.run_id = %(run_id)s AND o.state = 'inspected' AND c.state = 'planned';
