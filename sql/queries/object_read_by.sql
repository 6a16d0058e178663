-- The object is read by this version of its contract, which has columns that the object brought.
UPDATE headgate.object
SET contract_version = %(version)s
WHERE object_id = %(object_id)s
    AND state NOT IN ('published', 'loaded');
