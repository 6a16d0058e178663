-- One at a time deals with failed messages; the lock ends with the connection at the latest.
SELECT pg_try_advisory_lock(hashtextextended('headgate.message_replay', 0));
