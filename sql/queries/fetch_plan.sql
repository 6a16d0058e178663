-- Note what a run has to fetch. What is landed already keeps the time of its fetch.
WITH planned AS (
    INSERT INTO headgate.fetch AS f (
        dataset, folder, window_start, window_end, slice, state, run_id, lane, routine
    )
    SELECT
        %(dataset)s, w.folder, w.window_start, w.window_end, w.slice, 'wanted', %(run_id)s,
        (w.place - 1) %% %(lanes)s, %(routine)s
    FROM unnest(%(folders)s, %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(slices)s::jsonb[])
        WITH ORDINALITY AS w (folder, window_start, window_end, slice, place)
    ON CONFLICT (dataset, folder) DO UPDATE
        SET state = 'wanted', fault = NULL, reason = NULL, run_id = excluded.run_id, lane = excluded.lane,
            routine = f.routine OR excluded.routine
    RETURNING run_id, folder, state
)
INSERT INTO headgate.fetch_by_run (run_id, folder, state)
SELECT run_id, folder, state FROM planned
ON CONFLICT (run_id, folder) DO UPDATE SET state = excluded.state, fault = NULL, reason = NULL;
