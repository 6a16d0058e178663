-- What was applied to this database, with the digest of the text as it was then.
SELECT name, sha256 FROM headgate.migration ORDER BY name;
