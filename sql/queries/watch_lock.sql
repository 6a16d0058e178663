-- One process watches at a time; the lock ends with the transaction.
SELECT pg_try_advisory_xact_lock(hashtextextended('headgate.watch', 0))
