-- See headgate.prune_receipts.
SELECT objects, receipts, last_loaded_at, last_object
FROM headgate.prune_receipts(
    %(dataset)s, now() - make_interval(days => nullif(%(days)s, 0)), %(after_loaded_at)s, %(after_object)s, %(limit)s,
    %(dry_run)s
);
