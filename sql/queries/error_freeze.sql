-- Until the end of the transaction nobody records or changes an error.
LOCK TABLE headgate.error IN SHARE MODE;
