-- A window's slice could not be had, or not all of it; what was landed of it before stays. What a run has still to
-- fetch is the run's to fail, not the command line's.
INSERT INTO headgate.fetch AS f (
    dataset, folder, window_start, window_end, slice, state, fault, reason, run_id, routine
)
VALUES (
    %(dataset)s, %(folder)s, %(window_start)s, %(window_end)s, %(slice)s, 'failed', %(fault)s, %(reason)s,
    %(run_id)s, %(routine)s
)
ON CONFLICT (dataset, folder) DO UPDATE
    SET state = 'failed', fault = excluded.fault, reason = excluded.reason, run_id = excluded.run_id,
        routine = f.routine OR excluded.routine
    WHERE f.state <> 'wanted' OR excluded.run_id IS NOT NULL;
