-- One process at a time follows a dataset's stream: it holds this as long as its connection lives.
SELECT pg_try_advisory_lock(hashtextextended('headgate.live:' || %(dataset)s, 0));
