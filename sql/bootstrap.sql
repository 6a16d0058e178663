-- What the migration runner itself needs, run as headgate_owner before every migration.
CREATE SCHEMA IF NOT EXISTS headgate;
COMMENT ON SCHEMA headgate IS 'Control plane of Headgate: what was read, where each row went';

CREATE TABLE IF NOT EXISTS headgate.migration (
    name       text        PRIMARY KEY,          -- the file's path under sql/
    sha256     text        NOT NULL,             -- of its text as applied; a changed migration is refused
    applied_at timestamptz NOT NULL DEFAULT now(),
    applied_by text        NOT NULL DEFAULT session_user
);
