-- See dataset_lock_shared: waits for the consumers' transactions in hand, some seconds at most.
SELECT pg_advisory_xact_lock(hashtextextended('headgate.merge:' || %(dataset)s, 0));
