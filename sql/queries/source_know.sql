-- A provider that is asked for the first time.
INSERT INTO headgate.source (provider) VALUES (%(provider)s) ON CONFLICT DO NOTHING
