-- Chunks of published objects whose books do not balance.
SELECT *
FROM headgate.books_chunk
WHERE run_id = %(run_id)s AND object_state IN ('published', 'loaded') AND NOT balanced
ORDER BY object_id, chunk
LIMIT %(limit)s;
