-- The batch before this one in the same transaction is merged.
TRUNCATE {stage};
