-- Of the window that the connection held before.
SELECT pg_advisory_unlock_all();
