-- A window's slice is in the bucket with all its pages. A clock that is ahead must not say that it was asked for after
-- its last correction.
INSERT INTO headgate.fetch AS f (
    dataset, folder, window_start, window_end, slice, state, run_id, routine, fetched_at, pages, pages_new
)
VALUES (
    %(dataset)s, %(folder)s, %(window_start)s, %(window_end)s, %(slice)s, 'landed', %(run_id)s, %(routine)s,
    least(%(fetched_at)s, clock_timestamp()), %(pages)s, %(pages_new)s
)
ON CONFLICT (dataset, folder) DO UPDATE
    SET state = 'landed', fault = NULL, reason = NULL, run_id = excluded.run_id,
        routine = f.routine OR excluded.routine, fetched_at = excluded.fetched_at,
        pages = excluded.pages, pages_new = excluded.pages_new;
