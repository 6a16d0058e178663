-- Published objects of the run whose every message has its receipt. Those whose contract says `replace` are loaded when
-- it is decided what of the rows before them is removed: see headgate.remove_vanished.
UPDATE headgate.object o
SET state = 'loaded', loaded_at = now()
WHERE o.run_id = %(run_id)s
    AND o.state = 'published'
    AND NOT EXISTS (
        SELECT FROM headgate.dataset d
        WHERE d.dataset = o.dataset AND d.version = o.contract_version AND d.replaces
    )
    AND NOT EXISTS (
        SELECT
        FROM headgate.chunk c
        JOIN headgate.batch b USING (chunk_id)
        LEFT JOIN headgate.receipt r USING (message_id)
        WHERE c.object_id = o.object_id AND r.message_id IS NULL
    );
