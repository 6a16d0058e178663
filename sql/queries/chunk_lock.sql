-- State of the chunk and of its object, for staging.
SELECT c.state, o.state
FROM headgate.chunk c
JOIN headgate.object o USING (object_id)
WHERE c.chunk_id = %(chunk_id)s
FOR NO KEY UPDATE OF c;
