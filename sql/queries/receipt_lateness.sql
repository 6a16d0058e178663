-- late: some newer object of the dataset was published, so rows must be compared by what vouches for them.
-- Of two objects of the same moment the later entry in the ledger is newer.
-- superseded: a newer one of the same succession was published, so this whole object is history. A replay has its
-- origin's version and replaces only its own rows.
SELECT
    EXISTS (
        SELECT FROM headgate.object o
        WHERE o.dataset = %(dataset)s AND o.version >= %(version)s
            AND (o.version, o.object_id) > (%(version)s, %(object_id)s)
            AND o.state IN ('published', 'loaded')
    ) AS late,
    EXISTS (
        SELECT FROM headgate.object o
        WHERE o.dataset = %(dataset)s AND o.lineage = %(lineage)s AND o.version > %(version)s
            AND o.state IN ('published', 'loaded')
    ) AS superseded;
