-- A minute of a stream: an object without stored bytes, published from its start, of one chunk that grows.
-- Its version is its start in microseconds.
WITH minute AS (
    INSERT INTO headgate.object
        (dataset, bucket, key, etag, size, last_modified, lineage, version, state, run_id, contract_version, inspection,
         published_at)
    VALUES (
        %(dataset)s, %(bucket)s, %(key)s, '', 0, %(start)s, %(key)s,
        (extract(epoch FROM %(start)s::timestamptz) * 1000000)::bigint, 'published', %(run_id)s, %(contract_version)s,
        %(inspection)s, now()
    )
    RETURNING object_id
)
INSERT INTO headgate.chunk (object_id, ordinal, source, first_row, first_line, records, state, staged_at)
SELECT object_id, 0, %(source)s, 1, 1, 0, 'streamed', now()
FROM minute;
