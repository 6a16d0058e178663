-- Who counts a provider's calls does it alone, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('headgate.source_call/' || %(provider)s, 0))
