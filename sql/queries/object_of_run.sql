-- Older versions first.
SELECT *
FROM headgate.object
WHERE run_id = %(run_id)s
    AND (%(states)s::text[] IS NULL OR state = ANY (%(states)s))
ORDER BY version, object_id;
