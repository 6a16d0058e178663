-- Two runs of a dataset plan what they fetch one after the other, so that no window is fetched by both.
SELECT pg_advisory_xact_lock(hashtextextended('headgate.fetch:' || %(dataset)s, 0));
