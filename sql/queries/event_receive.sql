-- An event that arrived by the broker. Our own are known already; one of somebody else's is not to be relayed.
INSERT INTO headgate.event (event_id, kind, dataset, subject, severity, status, fingerprint, body, published_at)
VALUES (
    %(event_id)s, %(kind)s, %(dataset)s, %(subject)s, %(severity)s, %(status)s, %(fingerprint)s, %(body)s, now()
)
ON CONFLICT (event_id) DO NOTHING
