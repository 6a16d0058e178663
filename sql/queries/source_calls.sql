-- Calls of a provider within each of these spans (milliseconds) before now, and now (milliseconds of the epoch).
WITH moment AS MATERIALIZED (
    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms
)
SELECT
    now_ms,
    ARRAY(
        SELECT (
            SELECT count(*)
            FROM headgate.source_call
            WHERE provider = %(provider)s AND counted_at >= to_timestamp((now_ms - span) / 1000.0)
        )
        FROM unnest(%(spans)s::bigint[]) WITH ORDINALITY AS spans (span, place)
        ORDER BY place
    )
FROM moment
