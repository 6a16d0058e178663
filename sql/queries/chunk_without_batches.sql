-- A chunk without an accepted row has nothing to send.
UPDATE headgate.chunk c
SET state = 'streamed'
WHERE c.object_id = %(object_id)s
    AND c.state = 'staged'
    AND NOT EXISTS (SELECT FROM headgate.batch b WHERE b.chunk_id = c.chunk_id);
