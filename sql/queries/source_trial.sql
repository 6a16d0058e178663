-- The caller tries alone whether the provider is back; a negative time gives the turn back.
UPDATE headgate.source
SET trial_until = clock_timestamp() + %(seconds)s * interval '1 second'
WHERE provider = %(provider)s
