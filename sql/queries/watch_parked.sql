-- Messages in parking by dataset, as far as they came there by the error consumer.
SELECT dataset, count(DISTINCT message_id) AS messages
FROM headgate.error
WHERE state = 'parked' AND message_id IS NOT NULL
GROUP BY dataset
ORDER BY dataset
