-- Functions and views are applied again when their text changes; migrations never are.
INSERT INTO headgate.migration (name, sha256) VALUES (%(name)s, %(sha256)s)
ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, applied_at = now(), applied_by = session_user;
