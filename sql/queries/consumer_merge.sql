-- Fresh rows go in, changed ones are replaced, equal ones are not written. In key order, so that consumers
-- side by side do not lock each other out. Every row that is met stays locked until the commit.
WITH merged AS (
    INSERT INTO {target} AS t ({columns}, _object_id, _row_number, _object_version, _loaded_at)
    SELECT {columns}, %(object_id)s, _row_number, %(object_version)s, now()
    FROM {stage}
    WHERE _row_number BETWEEN %(first)s AND %(last)s
    ORDER BY {key}
    ON CONFLICT ({key}) DO UPDATE
    SET {assignments},
        _object_id = excluded._object_id,
        _row_number = excluded._row_number,
        _object_version = excluded._object_version,
        _loaded_at = excluded._loaded_at
    WHERE (t._object_version, t._object_id) <= (excluded._object_version, excluded._object_id)
      AND t._object_id <> ALL (%(shield)s::bigint[])
      AND ({stored}) IS DISTINCT FROM ({incoming})
    RETURNING (t.xmax = 0) AS inserted
)
SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE NOT inserted) FROM merged;
