-- What is known to be wrong, told or not yet.
SELECT fingerprint, kind, dataset, subject, data, mark, fired_at IS NOT NULL AS fired
FROM headgate.watch
