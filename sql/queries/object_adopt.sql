-- Takes over what runs that are over left unfinished, and keeps whose it was. What was cut or staged under another
-- contract version starts again; what was published goes on as it was, unless this run reads it again from the start
-- (reload), or is a dry run, which sends nothing.
WITH taken AS (
    SELECT o.object_id, o.run_id AS from_run_id
    FROM headgate.object o
    JOIN headgate.run r USING (run_id)
    WHERE r.state <> 'running'
        AND r.run_id <> %(run_id)s
        AND r.kind <> 'live'  -- whose rows are on their way already
        AND o.dataset = %(dataset)s
        AND o.state IN ('found', 'inspected', 'validated', 'published')
        AND NOT (%(dry_run)s AND o.state = 'published')
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
    FOR NO KEY UPDATE OF o
), kept AS (
    INSERT INTO headgate.adoption (object_id, from_run_id, to_run_id)
    SELECT object_id, from_run_id, %(run_id)s FROM taken
    ON CONFLICT DO NOTHING
)
UPDATE headgate.object o
SET run_id = %(run_id)s,
    state = CASE
        WHEN o.state = 'published' OR o.contract_version = %(contract_version)s THEN o.state
        ELSE 'found'
    END,
    contract_version = CASE WHEN o.state = 'published' THEN o.contract_version ELSE %(contract_version)s END
FROM taken
WHERE o.object_id = taken.object_id
RETURNING o.object_id, o.state;
