-- Equal rows that came from another lineage: they now stand in this one, so that its later versions
-- protect them. Within a lineage the ledger tells the same without a write.
UPDATE {target} AS t
SET _object_id = %(object_id)s, _row_number = s._row_number, _object_version = %(object_version)s
FROM {stage} AS s
WHERE {same_key}
  AND (t._object_version, t._object_id) < (%(object_version)s, %(object_id)s)
  AND t._object_id <> ALL (%(shield)s::bigint[])
  AND NOT EXISTS (
      SELECT FROM headgate.object AS o
      WHERE o.object_id = t._object_id AND o.dataset = %(dataset)s AND o.lineage = %(lineage)s
  );
