-- After the merge: rows whose place is held by a newer row. What is neither written nor held is unchanged.
-- Nothing newer is published, so a newer row can only be of an object that was published and then given up; where
-- the ledger has none such, no row need be looked up.
SELECT CASE
    WHEN EXISTS (
        SELECT FROM headgate.object o
        WHERE o.dataset = %(dataset)s AND o.state = 'held'
            AND (o.version, o.object_id) > (%(version)s, %(object_id)s)
    )
    THEN (
        SELECT count(*)
        FROM {stage} s
        JOIN {table} t ON {same_key_target}
        WHERE (t._object_version, t._object_id) > (%(version)s, %(object_id)s)
    )
    ELSE 0
END;
