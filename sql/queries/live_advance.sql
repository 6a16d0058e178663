-- The stream was read up to here; it never goes back.
INSERT INTO headgate.live (dataset, read_to)
VALUES (%(dataset)s, %(read_to)s)
ON CONFLICT (dataset) DO UPDATE SET read_to = greatest(live.read_to, excluded.read_to);
