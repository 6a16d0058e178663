-- See headgate.prune_receipts.
SELECT objects, receipts
FROM headgate.prune_receipts(
    %(dataset)s, now() - make_interval(days => nullif(%(days)s, 0)), %(limit)s, %(dry_run)s
);
