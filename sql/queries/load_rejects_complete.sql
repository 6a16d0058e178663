-- Lines and texts of rows that Postgres refused, as they stand in the landing object.
UPDATE headgate.quarantine q
SET line = v.line, raw = v.raw
FROM (VALUES %s) v (quarantine_id, line, raw)
WHERE q.quarantine_id = v.quarantine_id;
