-- Everything is owned by headgate_owner, whoever connected.
SET LOCAL ROLE headgate_owner;
