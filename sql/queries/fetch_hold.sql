-- Held by the connection, over its transactions.
SELECT pg_advisory_lock(hashtextextended('headgate.window:' || %(dataset)s || '/' || %(folder)s, 0));
