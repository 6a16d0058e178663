-- Records an event; one that is known by its id stays as it is.
INSERT INTO headgate.event (event_id, kind, dataset, subject, severity, status, fingerprint, body)
VALUES (
    %(event_id)s, %(kind)s, %(dataset)s, %(subject)s, %(severity)s, %(status)s, %(fingerprint)s, %(body)s
)
ON CONFLICT (event_id) DO NOTHING
