-- All versions of these keys, with or without their dataset before them.
SELECT o.object_id
FROM (SELECT DISTINCT dataset FROM headgate.dataset) known
CROSS JOIN unnest(%(keys)s) AS name
JOIN headgate.object o ON o.dataset = known.dataset AND o.key IN (name, known.dataset || '/' || name);
