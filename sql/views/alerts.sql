-- Alerts as people see them: with their labels, and silenced ones by that name.
CREATE OR REPLACE VIEW headgate.alerts AS
SELECT
    a.alert_id,
    a.kind,
    a.severity,
    a.dataset,
    a.subject,
    a.owner,
    a.summary,
    a.detail,
    CASE WHEN a.state <> 'resolved' AND s.silenced_until IS NOT NULL THEN 'silenced' ELSE a.state END AS state,
    a.news,
    a.count,
    a.raised_at,
    a.last_at,
    a.changed_at,
    a.expires_at,
    a.acknowledged_at,
    a.acknowledged_by,
    a.resolved_at,
    a.resolved_by,
    a.note,
    s.silenced_until,
    a.fingerprint
FROM headgate.alert a
CROSS JOIN LATERAL (
    SELECT headgate.silenced_until(jsonb_build_object(
        'dataset', a.dataset,
        'type', a.kind,
        'severity', a.severity,
        'owner', a.owner,
        'subject', a.subject
    )) AS silenced_until
) s;
COMMENT ON VIEW headgate.alerts IS 'What is or was wrong: open, acknowledged, silenced or resolved';
GRANT SELECT ON headgate.alerts TO headgate_loader;
