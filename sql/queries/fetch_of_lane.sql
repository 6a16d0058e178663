-- What a lane of a run has still to fetch.
SELECT folder, window_start, window_end, slice, state, fetched_at, run_id, routine
FROM headgate.fetch
WHERE run_id = %(run_id)s AND lane = %(lane)s AND state = 'wanted'
ORDER BY window_start, folder;
