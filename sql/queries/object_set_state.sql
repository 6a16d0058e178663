UPDATE headgate.object
SET state = %(state)s,
    reason = %(reason)s,
    published_at = CASE WHEN %(state)s = 'published' THEN now() ELSE published_at END
WHERE object_id = %(object_id)s;
