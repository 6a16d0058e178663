-- late: some newer object of the dataset was published, so rows must be compared by effective version.
-- superseded: a newer one of the same succession was published, so this whole object is history.
SELECT
    EXISTS (
        SELECT FROM headgate.object o
        WHERE o.dataset = %(dataset)s AND o.version > %(version)s AND o.state IN ('published', 'loaded')
    ) AS late,
    EXISTS (
        SELECT FROM headgate.object o
        WHERE o.dataset = %(dataset)s AND o.lineage = %(lineage)s AND o.version > %(version)s
            AND o.state IN ('published', 'loaded')
    ) AS superseded;
