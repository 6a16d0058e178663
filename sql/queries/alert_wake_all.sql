-- A silence came or went: all groups with alerts look again.
UPDATE headgate.alert_group SET next_at = greatest(now(), flushed_at + group_interval)
WHERE flushed_at IS NOT NULL AND NOT held
