-- Merges a message's rows like merge_rows, by looking each key up once instead of twice; PostgreSQL 17 and later.
-- Where another consumer inserts a key meanwhile it is refused as a unique violation, and merge_rows has to go on.
-- The sorted side leads the join (see consumer_session), so rows are locked in key order.
WITH succession AS MATERIALIZED (
    SELECT object_id FROM headgate.object WHERE dataset = %(dataset)s AND lineage = %(lineage)s
),
merged AS (
    MERGE INTO {table} AS t
    USING (SELECT * FROM {stage} s ORDER BY {stage_key}) AS s
    ON {same_key_target}
    WHEN MATCHED
        AND (t._object_version, t._object_id) <= (%(version)s, %(object_id)s)
        AND (
            ({target_columns}) IS DISTINCT FROM ({stage_values})
            OR t._object_id NOT IN (SELECT object_id FROM succession)
        )
    THEN UPDATE
        SET {stage_assignments},
            _object_id = %(object_id)s,
            _row_number = s._row_number,
            _object_version = %(version)s,
            _loaded_at = CASE
                WHEN t._object_id IN (SELECT object_id FROM succession)
                    OR ({target_columns}) IS DISTINCT FROM ({stage_values})
                THEN statement_timestamp()
                ELSE t._loaded_at
            END
    WHEN NOT MATCHED
    THEN INSERT ({columns}, _object_id, _row_number, _object_version, _loaded_at)
        VALUES ({stage_columns}, %(object_id)s, s._row_number, %(version)s, statement_timestamp())
    RETURNING merge_action() = 'INSERT' AS inserted, t._loaded_at = statement_timestamp() AS changed
)
SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE changed AND NOT inserted) FROM merged;
