-- Until when the silences of this moment keep an alert with these labels quiet; NULL: they do not.
CREATE OR REPLACE FUNCTION headgate.silenced_until(labels jsonb) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT max(s.ends_at)
    FROM headgate.silence s
    WHERE now() >= s.starts_at
        AND now() < s.ends_at
        AND NOT EXISTS (
            SELECT
            FROM jsonb_to_recordset(s.matchers) AS m (label text, op text, value text)
            WHERE NOT CASE m.op
                WHEN '=' THEN coalesce(silenced_until.labels ->> m.label, '') = m.value
                WHEN '!=' THEN coalesce(silenced_until.labels ->> m.label, '') <> m.value
                WHEN '=~' THEN coalesce(silenced_until.labels ->> m.label, '') ~ ('^(?:' || m.value || ')$')
                ELSE coalesce(silenced_until.labels ->> m.label, '') !~ ('^(?:' || m.value || ')$')
            END
        );
END;
REVOKE ALL ON FUNCTION headgate.silenced_until FROM PUBLIC;
GRANT EXECUTE ON FUNCTION headgate.silenced_until TO headgate_loader, headgate_pipeline, headgate_reader;
