-- A lock that is not free in this time is tried again from the start of the transaction.
SET LOCAL lock_timeout = '30s';
