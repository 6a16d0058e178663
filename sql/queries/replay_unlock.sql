-- The next one may deal with failed messages.
SELECT pg_advisory_unlock(hashtextextended('headgate.message_replay', 0));
