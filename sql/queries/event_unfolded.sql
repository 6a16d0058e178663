-- The oldest events that are not in any alert yet, with the owner that the newest contract names.
SELECT
    e.event_id,
    e.number,
    e.kind,
    e.dataset,
    e.subject,
    e.severity,
    e.status,
    e.fingerprint,
    e.body -> 'data' AS data,
    e.recorded_at,
    coalesce(
        (
            SELECT CASE jsonb_typeof(d.contract -> 'team')
                WHEN 'object' THEN d.contract -> 'team' ->> 'name'
                ELSE coalesce(d.contract -> 'team' -> 0 ->> 'name', d.contract -> 'team' -> 0 ->> 'username')
            END
            FROM headgate.dataset d
            WHERE d.dataset = e.dataset
            ORDER BY d.version DESC
            LIMIT 1
        ),
        'unowned'
    ) AS owner,
    e.recorded_at < now() - interval '1 day' AS old
FROM headgate.event e
WHERE e.folded_at IS NULL
ORDER BY e.number
LIMIT %(limit)s
