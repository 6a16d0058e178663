-- After the merge: rows whose place is held by a newer row. What is neither written nor held is unchanged.
SELECT count(*)
FROM {stage} s
JOIN {table} t ON {same_key_target}
WHERE (t._object_version, t._object_id) > (%(version)s, %(object_id)s);
