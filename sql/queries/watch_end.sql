-- It is over.
DELETE FROM headgate.watch WHERE fingerprint = %(fingerprint)s
