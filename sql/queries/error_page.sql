-- A page of errors, the last to fail first.
SELECT
    e.error_id AS id,
    e.source,
    e.class AS failure_class,
    e.cause,
    e.reason,
    e.trace,
    e.dataset,
    e.run_id,
    e.object_id,
    o.key AS object,
    e.chunk_id,
    e.message_id,
    e.replays,
    e.queue,
    e.consumer,
    e.attempts,
    e.state,
    e.first_failed_at,
    e.last_failed_at,
    e.next_at,
    e.resolved_at,
    e.traceparent,
    e.dag_id,
    e.dag_run_id,
    e.task_id,
    e.map_index,
    e.try_number,
    e.detail
FROM (
    SELECT matching.error_id
    FROM headgate.error_matching(
        %(dataset)s::text[], %(run)s::bigint[], %(object)s::bigint[], %(chunk)s::bigint[], %(cause)s::text[],
        %(failure_class)s::text[], %(error)s::bigint[], %(message)s::text[], %(since)s::timestamptz, %(reason)s::text,
        %(states)s::text[]
    ) matching
    WHERE %(after)s::bigint IS NULL OR (matching.last_failed_at, matching.error_id) < (%(after_time)s, %(after)s)
    ORDER BY matching.last_failed_at DESC, matching.error_id DESC
    LIMIT %(page)s
) page
JOIN headgate.error e USING (error_id)
LEFT JOIN headgate.object o ON o.object_id = e.object_id AND o.dataset = e.dataset
ORDER BY e.last_failed_at DESC, e.error_id DESC;
