-- Intervals that are landed and long over are never asked for again; the newest says how far the dataset is.
DELETE FROM headgate.fetch
WHERE dataset = %(dataset)s
    AND state = 'landed'
    AND window_end < %(before)s
    AND window_end < (SELECT max(f.window_end) FROM headgate.fetch AS f WHERE f.dataset = %(dataset)s AND f.routine);
