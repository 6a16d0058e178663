-- Events that wait to be published, oldest first, and that no other relay has in hand.
SELECT event_id, body
FROM headgate.event
WHERE published_at IS NULL
ORDER BY number
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
