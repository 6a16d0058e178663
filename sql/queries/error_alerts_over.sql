-- Alerts of parked messages that last although no error of their dataset and cause is open, with the newest event of
-- each. One whose end was told already waits only to be folded.
SELECT a.kind, a.dataset, a.detail ->> 'cause', newest.event_id
FROM headgate.alert a
CROSS JOIN LATERAL (
    SELECT e.event_id, e.status
    FROM headgate.event e
    WHERE e.fingerprint = a.fingerprint
    ORDER BY e.number DESC
    LIMIT 1
) newest
WHERE a.state <> 'resolved'
    AND a.kind IN ('message.exhausted', 'message.parked')
    AND newest.status = 'firing'
    AND a.detail ->> 'cause' <> ''
    AND NOT EXISTS (
        SELECT
        FROM headgate.error e
        WHERE e.dataset = a.dataset
            AND e.cause = a.detail ->> 'cause'
            AND e.state IN ('retrying', 'parked', 'replayed')
    );
