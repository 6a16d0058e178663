-- These events are in their alerts.
UPDATE headgate.event SET folded_at = now() WHERE event_id = ANY (%(event_ids)s)
