-- The broker has confirmed these events.
UPDATE headgate.event SET published_at = now() WHERE event_id = ANY(%(event_ids)s)
