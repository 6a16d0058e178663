-- Takes over what runs that are over left unfinished. What was cut or staged under another contract version
-- starts again; what was published goes on as it was.
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
RETURNING o.object_id, o.state;
