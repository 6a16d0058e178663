-- How much the run has to validate: tells the number of lanes.
SELECT
    count(*) AS chunks,
    coalesce(sum((c.source ->> 'length')::bigint), 0)::bigint AS chunk_bytes
FROM headgate.object o
JOIN headgate.chunk c USING (object_id)
WHERE o.run_id = %(run_id)s AND o.state = 'inspected' AND c.state = 'planned';
