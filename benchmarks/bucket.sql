-- A finished run that has loaded the objects of a dataset: of each as much as a scan looks at.
WITH run AS (
    INSERT INTO headgate.run (dataset, dag_run_id, contract_version, state)
    VALUES (%(dataset)s, 'before', 1, 'success')
    RETURNING run_id
)
INSERT INTO headgate.object
    (dataset, bucket, key, etag, size, last_modified, lineage, version, state, run_id, contract_version, loaded_at)
SELECT
    %(dataset)s, %(bucket)s, key, md5(lpad(number::text, 6, '0') || chr(10)), 7, now(), key, number, 'loaded', run_id,
    1, now()
FROM run
CROSS JOIN generate_series(0, %(size)s - 1) number
CROSS JOIN LATERAL (
    SELECT concat(
        %(dataset)s, '/', lpad((number / nullif(%(per_folder)s::integer, 0))::text, 4, '0') || '/',
        lpad(number::text, 6, '0'), '.csv'
    ) AS key
) named;
