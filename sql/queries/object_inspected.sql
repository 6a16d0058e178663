UPDATE headgate.object
SET state = %(state)s,
    reason = %(reason)s,
    sha256 = %(sha256)s,
    inspection = %(inspection)s,
    version = coalesce(%(version)s, version)
WHERE object_id = %(object_id)s
RETURNING *;
