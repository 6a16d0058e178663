-- Like merge_rows, for a message that arrives after a newer object was published: a row is only written where
-- nothing newer vouches for the one that is there (see headgate.vouched_since).
WITH succession AS MATERIALIZED (
    SELECT object_id FROM headgate.object WHERE dataset = %(dataset)s AND lineage = %(lineage)s
),
merged AS (
    INSERT INTO {table} AS t ({columns}, _object_id, _row_number, _object_version, _loaded_at)
    SELECT {stage_columns}, %(object_id)s, s._row_number, %(version)s, statement_timestamp()
    FROM {stage} s
    ORDER BY {stage_key}
    ON CONFLICT ({key}) DO UPDATE
    SET {assignments},
        _object_id = excluded._object_id,
        _row_number = excluded._row_number,
        _object_version = excluded._object_version,
        _loaded_at = CASE
            WHEN ({target_columns}) IS DISTINCT FROM ({excluded_columns}) THEN excluded._loaded_at
            ELSE t._loaded_at
        END
    WHERE (t._object_version, t._object_id) <= (excluded._object_version, excluded._object_id)
        AND (
            ({target_columns}) IS DISTINCT FROM ({excluded_columns})
            OR t._object_id NOT IN (SELECT object_id FROM succession)
        )
        AND NOT headgate.vouched_since(t._object_id, excluded._object_version, excluded._object_id)
    RETURNING xmax = 0 AS inserted, _loaded_at = statement_timestamp() AS changed
)
SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE changed AND NOT inserted) FROM merged;
