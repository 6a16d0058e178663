SELECT count(*) FROM headgate.quarantine_matching(
    %(dataset)s, %(object)s, %(rule)s, %(column)s, %(run)s, %(since)s, %(state)s, %(ids)s::bigint[]
);
