-- Every chunk was staged.
UPDATE headgate.object o
SET state = 'validated'
WHERE o.object_id = %(object_id)s
    AND o.state = 'inspected'
    AND NOT EXISTS (SELECT FROM headgate.chunk c WHERE c.object_id = o.object_id AND c.state = 'planned');
