-- The next open rows of an object, as many as fit into one replay object. Two replays at the same time: the second
-- waits for the first and then finds the rows no longer open.
SELECT q.quarantine_id, q.raw
FROM headgate.quarantine q
WHERE q.state = 'open'
    AND q.quarantine_id IN (
        SELECT sized.quarantine_id
        FROM (
            SELECT
                p.quarantine_id,
                row_number() OVER in_order AS place,
                sum(octet_length(p.raw)) OVER in_order AS bytes
            FROM headgate.quarantine p
            WHERE p.object_id = %(object_id)s
                AND p.state = 'open'
                AND p.line IS NOT NULL
                AND p.quarantine_id IN (
                    SELECT quarantine_id FROM headgate.quarantine_matching(
    %(dataset)s, %(object)s, %(rules)s::text[], %(column)s, %(run)s, %(since)s, %(state)s, %(ids)s::bigint[]
)
                )
            WINDOW in_order AS (ORDER BY p.row_number)
        ) sized
        WHERE sized.place = 1 OR (sized.place <= %(rows)s AND sized.bytes <= %(bytes)s)
    )
ORDER BY q.row_number
FOR NO KEY UPDATE;
