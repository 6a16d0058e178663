-- The receipt's counts; its CHECK refuses a sum that leaves a row out.
UPDATE headgate.receipt
SET rows = %(rows)s,
    inserted = %(inserted)s,
    updated = %(updated)s,
    unchanged = %(unchanged)s,
    superseded = %(superseded)s,
    quarantined = %(quarantined)s,
    applied_at = clock_timestamp()
WHERE message_id = %(message_id)s
RETURNING message_id;
