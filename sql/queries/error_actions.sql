-- What people have done with the message of an error, oldest first.
SELECT r.replayed_at AS at, r.action, r.source, r.filter, r.force, r.note, r.replayed_by AS by, r.replayed_as AS role
FROM headgate.message_replay r
WHERE r.error_id = %(error_id)s OR (r.message_id <> '' AND r.message_id = %(message_id)s)
ORDER BY r.replay_id;
