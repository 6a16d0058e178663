-- All versions of these keys, with or without their dataset before them.
SELECT object_id
FROM headgate.object
WHERE key = ANY (%(keys)s) OR key IN (SELECT dataset || '/' || name FROM unnest(%(keys)s) AS name);
