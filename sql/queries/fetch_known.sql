-- All that was ever asked for of a dataset.
SELECT folder, window_start, window_end, slice, state, fetched_at, run_id, routine
FROM headgate.fetch
WHERE dataset = %(dataset)s;
