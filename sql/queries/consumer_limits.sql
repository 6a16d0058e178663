-- A lock that is not free in this time is tried again from the start of the transaction.
SET LOCAL lock_timeout = '30s';
-- A constraint that the table's owner has deferred to the commit is checked by each statement: there a row can be
-- told, at the commit nothing could be done but to give up all messages.
SET CONSTRAINTS ALL IMMEDIATE;
