-- Objects whose rows this message must not overwrite: those of every lineage that has a newer version
-- published. A row that a newer version left unchanged still carries an older one's id, so all objects of the
-- lineage are in it. With the message's own object in it, all of the message is superseded.
-- `known`: whether the ledger has the object at all.
WITH newer AS (
    SELECT DISTINCT lineage
    FROM headgate.object
    WHERE dataset = %(dataset)s
      AND state IN ('published', 'loaded')
      AND (version, object_id) > (%(object_version)s, %(object_id)s)
)
SELECT
    EXISTS (SELECT FROM headgate.object WHERE object_id = %(object_id)s AND dataset = %(dataset)s) AS known,
    ARRAY(
        SELECT o.object_id
        FROM headgate.object AS o
        JOIN newer USING (lineage)
        WHERE o.dataset = %(dataset)s
          AND (o.state IN ('published', 'loaded') OR o.object_id = %(object_id)s)
        ORDER BY o.object_id
    ) AS shield;
