-- What no limit looks back to.
DELETE FROM headgate.source_call
WHERE provider = %(provider)s AND counted_at < to_timestamp(%(before_ms)s / 1000.0)
