-- Takes over what runs that are over left unfinished. What was cut or staged under another contract version
-- starts again; what was published goes on as it was, unless this run reads it again from the start (reload).
UPDATE headgate.object o
SET run_id = %(run_id)s,
    state = CASE
        WHEN o.state = 'published' OR o.contract_version = %(contract_version)s THEN o.state
        ELSE 'found'
    END,
    contract_version = CASE WHEN o.state = 'published' THEN o.contract_version ELSE %(contract_version)s END
FROM headgate.run r
WHERE r.run_id = o.run_id
    AND r.state <> 'running'
    AND r.run_id <> %(run_id)s
    AND o.dataset = %(dataset)s
    AND o.state IN ('found', 'inspected', 'validated', 'published')
    AND NOT (
        %(reload)s
        AND o.state = 'published'
        AND EXISTS (
            SELECT
            FROM headgate.object n
            WHERE n.dataset = o.dataset AND n.bucket = o.bucket AND n.key = o.key AND n.object_id > o.object_id
                AND n.run_id = %(run_id)s
        )
    )
RETURNING o.object_id, o.state;
