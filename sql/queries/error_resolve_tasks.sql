-- Errors of tasks after which a run of the dataset has succeeded: it took up what they left.
UPDATE headgate.error e
SET state = 'resolved', resolved_at = now()
WHERE e.state = 'recorded'
    AND EXISTS (
        SELECT
        FROM headgate.run r
        WHERE r.dataset = e.dataset AND r.state = 'success' AND r.finished_at > e.last_failed_at
    );
