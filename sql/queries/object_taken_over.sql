-- Objects that other runs took over from this one and have now, by run.
SELECT r.run_id, r.dag_run_id, count(*) AS objects
FROM headgate.adoption a
JOIN headgate.object o USING (object_id)
JOIN headgate.run r ON r.run_id = o.run_id
WHERE a.from_run_id = %(run_id)s AND o.run_id <> a.from_run_id
GROUP BY r.run_id
ORDER BY r.run_id;
