-- The new ones of a listing; see headgate.new_objects.
SELECT *
FROM headgate.new_objects(
    %(dataset)s, %(bucket)s, %(run_id)s, %(contract_version)s, %(reload)s, %(try_held)s,
    %(keys)s::text[], %(etags)s::text[], %(sizes)s::bigint[], %(modified)s::timestamptz[], %(version_ids)s::text[]
);
