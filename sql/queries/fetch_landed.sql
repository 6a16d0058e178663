-- A window's slice is in the bucket with all its pages.
INSERT INTO headgate.fetch AS f (
    dataset, folder, window_start, window_end, slice, state, run_id, routine, fetched_at, pages, pages_new
)
VALUES (
    %(dataset)s, %(folder)s, %(window_start)s, %(window_end)s, %(slice)s, 'landed', %(run_id)s, %(routine)s,
    %(fetched_at)s, %(pages)s, %(pages_new)s
)
ON CONFLICT (dataset, folder) DO UPDATE
    SET state = 'landed', fault = NULL, reason = NULL, run_id = excluded.run_id,
        routine = f.routine OR excluded.routine, fetched_at = excluded.fetched_at,
        pages = excluded.pages, pages_new = excluded.pages_new;
