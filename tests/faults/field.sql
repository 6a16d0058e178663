-- What a drill's database has besides the schema of the release: what was sent, what was written, and places
-- where a transaction can be held up from outside. An advisory lock that nobody holds costs microseconds.
CREATE SCHEMA drill;

CREATE TABLE drill.expected (id text NOT NULL, amount double precision, note text, version bigint NOT NULL);
CREATE INDEX ON drill.expected (id, version);
CREATE TABLE drill.refused (object_id bigint NOT NULL, row_number bigint NOT NULL);

-- Every single write to the table, by the row it came from: a row that is applied twice stands here twice.
CREATE TABLE drill.written (object_id bigint NOT NULL, row_number bigint NOT NULL);
CREATE FUNCTION drill.note_writes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO drill.written SELECT _object_id, _row_number FROM changed;
    RETURN NULL;
END $$;
CREATE TRIGGER note_inserts AFTER INSERT ON lab.things REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION drill.note_writes();
CREATE TRIGGER note_updates AFTER UPDATE ON lab.things REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION drill.note_writes();

-- A message's rows are merged and its receipt is written, its transaction is open: waits while somebody holds the
-- lock exclusively. Only such a transaction waits in COMMIT for a standby, where the server is told to.
CREATE FUNCTION drill.pass() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(4711, 1);
    PERFORM set_config('synchronous_commit', 'on', true);
    RETURN NULL;
END $$;
CREATE TRIGGER hold_before_commit AFTER UPDATE ON headgate.receipt
FOR EACH STATEMENT EXECUTE FUNCTION drill.pass();
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET synchronous_commit = local', current_database());
END $$;
