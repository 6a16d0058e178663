-- A lane's share of the chunks of the run's inspected objects, in the order of the objects.
SELECT c.chunk_id, c.object_id, c.ordinal, c.source, c.first_row, c.first_line, c.records
FROM headgate.chunk c
JOIN headgate.object o USING (object_id)
WHERE o.run_id = %(run_id)s
    AND o.state = 'inspected'
    AND c.state = %(state)s
    AND c.chunk_id %% %(lanes)s = %(lane)s
ORDER BY c.object_id, c.ordinal;
