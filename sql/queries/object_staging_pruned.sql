-- Nothing of these objects is left in the staging bucket.
UPDATE headgate.object SET staging_pruned_at = now() WHERE object_id = ANY (%(object_ids)s);
