-- Where the rows of a claimed message went.
UPDATE headgate.receipt
SET rows = %(rows)s, inserted = %(inserted)s, updated = %(updated)s, unchanged = %(unchanged)s,
    superseded = %(superseded)s, quarantined = %(quarantined)s
WHERE message_id = %(message_id)s;
