-- One row for a failed message through all its attempts, one for each try of a task; told again, it is the newest.
INSERT INTO headgate.error AS e (
    error_key, source, class, cause, reason, trace, dataset, run_id, object_id, chunk_id, message_id, replays,
    queue, consumer, attempts, state, first_failed_at, last_failed_at, next_at, traceparent,
    dag_id, dag_run_id, task_id, map_index, try_number, detail
) VALUES (
    %(error_key)s, %(source)s, %(class)s, %(cause)s, %(reason)s, nullif(%(trace)s, ''), %(dataset)s,
    %(run_id)s, %(object_id)s, %(chunk_id)s, nullif(%(message_id)s, ''), %(replays)s,
    %(queue)s, %(consumer)s, %(attempts)s, %(state)s, %(first_failed_at)s,
    greatest(now(), %(first_failed_at)s), now() + %(delay)s * interval '1 second', %(traceparent)s,
    %(dag_id)s, %(dag_run_id)s, %(task_id)s, %(map_index)s, %(try_number)s, %(detail)s
)
ON CONFLICT (error_key) DO UPDATE SET
    class = excluded.class,
    cause = excluded.cause,
    reason = excluded.reason,
    trace = excluded.trace,
    consumer = excluded.consumer,
    attempts = excluded.attempts,
    state = excluded.state,
    first_failed_at = least(e.first_failed_at, excluded.first_failed_at),
    last_failed_at = excluded.last_failed_at,
    next_at = excluded.next_at,
    resolved_at = NULL,
    detail = excluded.detail
RETURNING error_id;
