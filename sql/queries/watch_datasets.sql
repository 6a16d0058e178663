-- How every dataset of the registry stands by the ledger. Arrivals are those of objects in the bucket, and fetches
-- from an API, which may bring nothing new; ages are in seconds by the server's clock. Messages that are parked, or wait for a retry, are told of elsewhere; whose
-- retry was due a while ago waits in its queue again, or is lost.
SELECT
    registry.dataset,
    registry.version,
    greatest(fresh.arrived_at, asked.landed_at) AS fresh_at,
    extract(epoch FROM now() - coalesce(greatest(fresh.arrived_at, asked.landed_at), registry.registered_at))::float
        AS fresh_age,
    asked.ever AS asked,
    waiting.arrived_at AS waiting_since,
    extract(epoch FROM now() - waiting.arrived_at)::float AS waiting_age,
    sent.received,
    sent.pending,
    extract(epoch FROM now() - sent.oldest_at)::float AS oldest_age
FROM (
    SELECT dataset, max(version) AS version, min(applied_at) AS registered_at
    FROM headgate.dataset
    GROUP BY dataset
) registry
LEFT JOIN LATERAL (
    SELECT to_timestamp(o.version / 1e6) AS arrived_at
    FROM headgate.object o
    WHERE o.dataset = registry.dataset AND o.state IN ('loaded', 'duplicate')
    ORDER BY o.version DESC
    LIMIT 1
) fresh ON true
CROSS JOIN LATERAL (
    SELECT max(f.fetched_at) AS landed_at, count(*) > 0 AS ever
    FROM (
        SELECT newest.fetched_at
        FROM headgate.fetch newest
        WHERE newest.dataset = registry.dataset
        ORDER BY newest.fetched_at DESC NULLS LAST
        LIMIT 1
    ) f
) asked
CROSS JOIN LATERAL (
    SELECT min(o.last_modified) AS arrived_at
    FROM headgate.object o
    WHERE o.dataset = registry.dataset AND o.state IN ('found', 'inspected', 'validated', 'published')
) waiting
CROSS JOIN LATERAL (
    SELECT
        count(r.message_id) AS received,
        count(*) FILTER (WHERE r.message_id IS NULL AND e.message_id IS NULL) AS pending,
        min(b.streamed_at) FILTER (WHERE r.message_id IS NULL AND e.message_id IS NULL) AS oldest_at
    FROM headgate.object o
    JOIN headgate.chunk c USING (object_id)
    JOIN headgate.batch b USING (chunk_id)
    LEFT JOIN headgate.receipt r USING (message_id)
    LEFT JOIN (
        SELECT DISTINCT message_id
        FROM headgate.error
        WHERE state = 'parked' OR (state = 'retrying' AND next_at > now() - interval '1 minute')
    ) e ON e.message_id = b.message_id::text
    WHERE o.dataset = registry.dataset AND o.state = 'published' AND b.streamed_at IS NOT NULL
) sent
ORDER BY registry.dataset
