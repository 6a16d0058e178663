-- Hours of a stream that are over and whose minutes are all loaded.
SELECT r.*
FROM headgate.run r
WHERE r.dataset = %(dataset)s
    AND r.kind = 'live'
    AND r.state = 'running'
    AND r.interval_end <= %(before)s
    AND NOT EXISTS (SELECT FROM headgate.object o WHERE o.run_id = r.run_id AND o.state = 'published')
ORDER BY r.run_id;
