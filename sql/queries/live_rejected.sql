-- Bad lines of a stream that were booked since then, of the newest only: what is read again has them once more.
SELECT raw
FROM (
    SELECT raw, created_at
    FROM headgate.quarantine
    WHERE dataset = %(dataset)s
    ORDER BY quarantine_id DESC
    LIMIT 10000
) newest
WHERE created_at >= %(since)s;
