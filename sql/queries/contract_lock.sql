-- One `contract apply` or evolve at a time in a database; two started together come one after the other.
SET LOCAL lock_timeout = '60s';
SELECT pg_advisory_xact_lock(hashtextextended('headgate.contract', 0));
