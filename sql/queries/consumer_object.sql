-- known: whether the ledger has the object version that a message says its rows come from, past the gate.
-- sha256: of the batch that the ledger has under this message id.
-- first: whether no other version of it was published; then none of its rows can be there unchanged.
SELECT
    EXISTS (
        SELECT FROM headgate.object
        WHERE object_id = %(object_id)s
          AND dataset = %(dataset)s
          AND lineage = %(lineage)s
          AND version = %(version)s
          AND state NOT IN ('found', 'inspected', 'validated')
    ) AS known,
    (SELECT sha256 FROM headgate.batch WHERE message_id = %(message_id)s) AS sha256,
    NOT EXISTS (
        SELECT FROM headgate.object
        WHERE dataset = %(dataset)s
          AND lineage = %(lineage)s
          AND object_id <> %(object_id)s
          AND state IN ('published', 'loaded')
    ) AS first;
