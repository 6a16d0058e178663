-- The newest run of every dataset that has one; a dataset costs one index lookup, however many runs it had.
WITH RECURSIVE known AS (
    (SELECT dataset FROM headgate.run ORDER BY dataset LIMIT 1)
    UNION ALL
    SELECT (SELECT r.dataset FROM headgate.run r WHERE r.dataset > known.dataset ORDER BY r.dataset LIMIT 1)
    FROM known
    WHERE known.dataset IS NOT NULL
)
SELECT newest.*
FROM known
CROSS JOIN LATERAL (
    SELECT * FROM headgate.run r WHERE r.dataset = known.dataset ORDER BY r.run_id DESC LIMIT 1
) newest
ORDER BY newest.dataset;
