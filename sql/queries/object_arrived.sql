-- Keys of listed object versions that the next run would take. What it would only take because a contract changed
-- has not arrived.
SELECT key
FROM headgate.new_objects(
    %(dataset)s, %(bucket)s, NULL, NULL, false, false,
    %(keys)s::text[], %(etags)s::text[], %(sizes)s::bigint[], %(modified)s::timestamptz[], %(version_ids)s::text[]
);
