SELECT count(*) FROM headgate.quarantine_matching(
    %(dataset)s, %(object)s, %(rules)s::text[], %(column)s, %(run)s, %(since)s, %(state)s, %(ids)s::bigint[]
);
