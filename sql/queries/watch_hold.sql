-- The condition holds; for how long (seconds), and whether it has been told. What nobody looked at for longer
-- than the gap, or what has another mark, counts from now on.
INSERT INTO headgate.watch AS w (fingerprint, kind, dataset, subject, data, mark)
VALUES (%(fingerprint)s, %(kind)s, %(dataset)s, %(subject)s, %(data)s, %(mark)s)
ON CONFLICT (fingerprint) DO UPDATE SET
    data = excluded.data,
    mark = excluded.mark,
    seen_at = now(),
    since = CASE
        WHEN w.fired_at IS NOT NULL THEN w.since
        WHEN w.mark = excluded.mark AND w.seen_at > now() - make_interval(secs => %(gap)s) THEN w.since
        ELSE now()
    END
RETURNING extract(epoch FROM now() - since)::float AS seconds, fired_at IS NOT NULL AS fired
