-- Like merge_superseded, by the version that vouches for the row in place.
SELECT count(*)
FROM {stage} s
JOIN {table} t ON {same_key_target}
WHERE (t._object_version, t._object_id) > (%(version)s, %(object_id)s)
    OR headgate.vouched_since(t._object_id, %(version)s, %(object_id)s);
