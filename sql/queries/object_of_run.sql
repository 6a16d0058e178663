-- Older versions first. A lane takes every `lanes`-th object.
SELECT *
FROM headgate.object
WHERE run_id = %(run_id)s
    AND (%(states)s::text[] IS NULL OR state = ANY (%(states)s))
    AND object_id %% %(lanes)s = %(lane)s
ORDER BY version, object_id;
