INSERT INTO headgate.silence (matchers, ends_at, note, created_by)
VALUES (%(matchers)s, now() + %(span)s, %(note)s, %(by)s)
RETURNING silence_id, ends_at
