-- Merges a message's rows. Nothing newer is published in the dataset, so the stored version decides. Rows that
-- are already there with the same values, from the same succession of objects, are left out beforehand: they
-- cost no write and no lock. Where another object wrote the same values, the row passes to this one, which now
-- vouches for it; its _loaded_at stays, and so tells the two kinds of written rows apart. Where versions take over all
-- their rows (see Contract.takes_over) no lineage is given: then every row passes to this object.
-- In key order, so that consumers side by side do not deadlock.
WITH succession AS MATERIALIZED (
    SELECT object_id FROM headgate.object WHERE dataset = %(dataset)s AND lineage = %(lineage)s
),
merged AS (
    INSERT INTO {table} AS t ({columns}, _object_id, _row_number, _object_version, _loaded_at)
    SELECT {stage_columns}, %(object_id)s, s._row_number, %(version)s, statement_timestamp()
    FROM {stage} s
    LEFT JOIN {table} e ON {same_key}
    WHERE e._object_id IS NULL
        OR (
            (e._object_version, e._object_id) <= (%(version)s, %(object_id)s)
            AND (
                ({existing_columns}) IS DISTINCT FROM ({stage_columns})
                OR e._object_id NOT IN (SELECT object_id FROM succession)
            )
        )
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
    RETURNING xmax = 0 AS inserted, _loaded_at = statement_timestamp() AS changed
)
SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE changed AND NOT inserted) FROM merged;
