-- Consumers hold this for their transaction; publishing takes it exclusively. So whether a message is late
-- cannot change between the question and the merge. Shared locks don't hinder each other.
SELECT pg_advisory_xact_lock_shared(hashtextextended('headgate.merge:' || dataset, 0))
FROM unnest(%(datasets)s::text[]) AS wanted (dataset)
ORDER BY dataset;
