-- Staged rows whose key already has fresher values.
SELECT count(*)
FROM {stage} AS s
JOIN {target} AS t ON {same_key}
WHERE t._object_id = ANY (%(shield)s::bigint[])
   OR (t._object_version, t._object_id) > (%(object_version)s, %(object_id)s);
