-- Open errors whose message was not met in parking: of tasks, or of messages that were purged or lost. Closed with a
-- line of the audit for each, but for messages whose rows the books wait for.
WITH chosen AS (
    SELECT e.error_id
    FROM headgate.error_matching(
    %(dataset)s::text[], %(run)s::bigint[], %(object)s::bigint[], %(chunk)s::bigint[], %(cause)s::text[],
    %(failure_class)s::text[], %(error)s::bigint[], %(message)s::text[], %(since)s::timestamptz, %(reason)s::text,
    %(states)s::text[]
) matching
    JOIN headgate.error e USING (error_id)
    WHERE e.error_id <> ALL (%(met)s::bigint[])
        AND (
            %(force)s
            OR NOT EXISTS (
                SELECT
                FROM headgate.batch b
                JOIN headgate.chunk c USING (chunk_id)
                JOIN headgate.object o USING (object_id)
                WHERE b.message_id = CASE WHEN pg_input_is_valid(e.message_id, 'uuid') THEN e.message_id::uuid END
                    AND o.state = 'published'
                    AND NOT EXISTS (SELECT FROM headgate.receipt r WHERE r.message_id = b.message_id)
            )
        )
), closed AS (
    UPDATE headgate.error e
    SET state = 'dismissed', next_at = NULL, resolved_at = now()
    FROM chosen
    WHERE e.error_id = chosen.error_id AND NOT %(dry_run)s
    RETURNING e.error_id, e.message_id, e.dataset, e.replays
), audit AS (
    INSERT INTO headgate.message_replay
        (message_id, error_id, dataset, replays, action, source, filter, force, note, replayed_by)
    SELECT
        coalesce(message_id, ''), error_id, dataset, replays, 'dismissed', 'errors',
        %(filter)s, %(force)s, %(note)s, %(by)s
    FROM closed
)
SELECT count(*) FROM chosen;
