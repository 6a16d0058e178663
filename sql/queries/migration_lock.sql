-- Two processes that start at the same moment migrate one after the other.
SELECT pg_advisory_xact_lock(hashtextextended('headgate.migrate', 0));
