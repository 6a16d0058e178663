-- Two scans of a dataset record their listings one after the other, so no version is recorded twice.
SELECT pg_advisory_xact_lock(hashtextextended('headgate.scan:' || %(dataset)s, 0));
