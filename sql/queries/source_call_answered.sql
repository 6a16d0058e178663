-- The provider has counted it by the time that its answer began.
UPDATE headgate.source_call
SET counted_at = least(counted_at, clock_timestamp() - %(ago)s * interval '1 second')
WHERE call_id = %(call_id)s
