-- Control schema: the registry, the ledger, the receipts and the quarantine.
-- The books (sql/views) are read from these tables and from nothing else.

-- Registry: every version of every contract that was ever applied.
CREATE TABLE headgate.dataset (
    dataset      text        NOT NULL,
    version      integer     NOT NULL,           -- counts up with every change that is applied
    contract     jsonb       NOT NULL,           -- the ODCS document as applied, evolved columns included
    sha256       text        NOT NULL,           -- of the contract file's text; tells whether it changed
    table_schema text        NOT NULL,
    table_name   text        NOT NULL,
    applied_at   timestamptz NOT NULL DEFAULT now(),
    applied_by   text        NOT NULL DEFAULT session_user,
    PRIMARY KEY (dataset, version)
);

-- One run of a dataset's DAG.
CREATE TABLE headgate.run (
    run_id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset          text        NOT NULL,
    dag_run_id       text        NOT NULL,       -- Airflow's run id
    kind             text        NOT NULL DEFAULT 'manual',  -- manual, scheduled, backfill, asset_triggered
    params           jsonb       NOT NULL DEFAULT '{}',
    interval_start   timestamptz,
    interval_end     timestamptz,
    contract_version integer     NOT NULL,
    state            text        NOT NULL DEFAULT 'running'
                     CHECK (state IN ('running', 'success', 'failed', 'dry_run')),
    reason           text,
    started_at       timestamptz NOT NULL DEFAULT now(),
    finished_at      timestamptz,
    UNIQUE (dataset, dag_run_id)
);
CREATE INDEX run_of_dataset ON headgate.run (dataset, run_id);
CREATE INDEX run_running ON headgate.run (dataset) WHERE state = 'running';

-- Ledger: one row for each version of an object that a scan has met.
CREATE TABLE headgate.object (
    object_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset          text        NOT NULL,
    bucket           text        NOT NULL,
    key              text        NOT NULL,
    version_id       text,                       -- of the store, where the bucket is versioned
    etag             text        NOT NULL,
    size             bigint      NOT NULL,       -- bytes
    last_modified    timestamptz NOT NULL,
    lineage          text        NOT NULL,       -- whose succession it stands in: its key, or for a replay its origin's key
    version          bigint      NOT NULL,       -- microseconds since 1970 of its first arrival; orders fresh and stale
    sha256           text,                       -- of the content, known after inspect
    state            text        NOT NULL DEFAULT 'found'
                     CHECK (state IN ('found', 'inspected', 'validated', 'published', 'loaded', 'held', 'duplicate')),
    reason           text,                       -- why it is held, or of what it is a duplicate
    run_id           bigint      NOT NULL REFERENCES headgate.run,   -- the run that carries it now
    contract_version integer     NOT NULL,
    replay_of        bigint      REFERENCES headgate.object,
    inspection       jsonb       NOT NULL DEFAULT '{}',   -- format, dialect, header, columns, year, drift
    found_at         timestamptz NOT NULL DEFAULT now(),
    published_at     timestamptz,
    loaded_at        timestamptz
);
CREATE INDEX object_of_key ON headgate.object (dataset, key, bucket, object_id);
CREATE INDEX object_of_run ON headgate.object (run_id);
CREATE INDEX object_of_lineage ON headgate.object (dataset, lineage, version);
CREATE INDEX object_newest ON headgate.object (dataset, version) WHERE state IN ('published', 'loaded');
CREATE INDEX object_unfinished ON headgate.object (dataset, object_id)
    WHERE state IN ('found', 'inspected', 'validated', 'published');

-- A piece of an object, small enough to be held in memory.
CREATE TABLE headgate.chunk (
    chunk_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    object_id     bigint   NOT NULL REFERENCES headgate.object,
    ordinal       integer  NOT NULL,             -- 0-based, in the order of the object
    source        jsonb    NOT NULL,             -- {"bucket","key","offset","length"} and what the reader needs more
    first_row     bigint   NOT NULL,             -- number of its first data record in the object, 1-based
    first_line    bigint   NOT NULL,             -- physical line on which that record starts, 1-based
    records       bigint   NOT NULL,             -- data records that the cut counted, blank ones included
    state         text     NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'staged', 'streamed')),
    rows_read     bigint   NOT NULL DEFAULT 0,   -- = rows_accepted + rows_rejected
    rows_blank    bigint   NOT NULL DEFAULT 0,   -- records without any value: counted, not read
    rows_accepted bigint   NOT NULL DEFAULT 0,
    rows_rejected bigint   NOT NULL DEFAULT 0,
    rule_counts   jsonb    NOT NULL DEFAULT '{}',   -- rejected rows by rule; warnings under "warning:<rule>"
    staged_at     timestamptz,
    UNIQUE (object_id, ordinal),
    CHECK (rows_read = rows_accepted + rows_rejected)
);

-- A batch is exactly one message: these are the receipts that the books wait for.
CREATE TABLE headgate.batch (
    message_id  uuid     PRIMARY KEY,            -- deterministic: object, chunk ordinal, batch ordinal
    chunk_id    bigint   NOT NULL REFERENCES headgate.chunk ON DELETE CASCADE,
    ordinal     integer  NOT NULL,
    byte_offset bigint   NOT NULL,               -- where its bytes lie in the chunk's staged object
    byte_length bigint   NOT NULL,
    rows        bigint   NOT NULL CHECK (rows > 0),
    first_row   bigint   NOT NULL,               -- numbers of its first and last row in the object, so that
    last_row    bigint   NOT NULL,               -- the way of any row can be told later
    sha256      text     NOT NULL,               -- of those bytes
    streamed_at timestamptz,
    UNIQUE (chunk_id, ordinal)
);

-- A receipt commits in the transaction that applied its rows: exactly-once effect.
CREATE TABLE headgate.receipt (
    message_id  uuid        PRIMARY KEY,
    object_id   bigint      NOT NULL,
    chunk_id    bigint      NOT NULL,
    rows        bigint      NOT NULL,
    inserted    bigint      NOT NULL DEFAULT 0,
    updated     bigint      NOT NULL DEFAULT 0,
    unchanged   bigint      NOT NULL DEFAULT 0,
    superseded  bigint      NOT NULL DEFAULT 0,
    quarantined bigint      NOT NULL DEFAULT 0,
    consumer    text        NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now(),
    CHECK (rows = inserted + updated + unchanged + superseded + quarantined)
);
CREATE INDEX receipt_of_chunk ON headgate.receipt (chunk_id);
CREATE INDEX receipt_of_object ON headgate.receipt (object_id);

-- One row for each bad row, with all its violations.
CREATE TABLE headgate.quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset       text        NOT NULL,
    object_id     bigint      NOT NULL REFERENCES headgate.object,
    chunk_id      bigint      NOT NULL,
    row_number    bigint      NOT NULL,          -- 1-based data record of the object
    line          bigint,                        -- 1-based physical line of the object; unknown to the consumer,
                                                 -- so NULL until `report` completes a row of stage 'load'
    stage         text        NOT NULL CHECK (stage IN ('validate', 'load')),
    rule          text        NOT NULL,          -- of the first violation
    column_name   text,
    value         text,
    reason        text        NOT NULL,
    raw           text        NOT NULL,          -- the record as it stands in the object
    violations    jsonb       NOT NULL DEFAULT '[]',  -- all of them: [{rule, column, value, reason}]
    message_id    uuid,                          -- of the batch, for rows rejected by Postgres
    state         text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'dismissed')),
    created_at    timestamptz NOT NULL DEFAULT now(),
    resolved_at   timestamptz,
    resolved_by   text,
    note          text,
    replay_key    text,                          -- the landing object that carries the replay
    UNIQUE (object_id, row_number)
);
CREATE INDEX quarantine_of_chunk ON headgate.quarantine (chunk_id);
CREATE INDEX quarantine_of_dataset ON headgate.quarantine (dataset, quarantine_id);
CREATE INDEX quarantine_open ON headgate.quarantine (dataset, quarantine_id) WHERE state = 'open';
CREATE INDEX quarantine_incomplete ON headgate.quarantine (object_id) WHERE line IS NULL;

-- Outbox of replays: the rows are marked and the bytes are kept in one transaction; the object is
-- put afterwards, as often as it takes. A crash in between loses nothing and doubles nothing.
CREATE TABLE headgate.replay (
    replay_key text        PRIMARY KEY,          -- deterministic: origin object and quarantine ids
    dataset    text        NOT NULL,
    bucket     text        NOT NULL,
    object_id  bigint      NOT NULL REFERENCES headgate.object,   -- the origin
    rows       bigint      NOT NULL CHECK (rows > 0),
    body       bytea,                            -- the object's bytes, dropped when it was put
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text        NOT NULL DEFAULT session_user,
    put_at     timestamptz,
    CHECK ((body IS NULL) = (put_at IS NOT NULL))
);
CREATE INDEX replay_pending ON headgate.replay (dataset) WHERE put_at IS NULL;

-- What a person or a later consumer should know of.
CREATE TABLE headgate.alert (
    alert_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text        NOT NULL,            -- e.g. object.held, message.parked, books.unbalanced, consumer.stopped
    severity    text        NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    dataset     text,
    run_id      bigint,
    object_id   bigint,
    chunk_id    bigint,
    message_id  uuid,
    summary     text        NOT NULL,
    detail      jsonb       NOT NULL DEFAULT '{}',
    raised_at   timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz
);
CREATE INDEX alert_of_message ON headgate.alert (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX alert_open ON headgate.alert (kind, dataset) WHERE resolved_at IS NULL;
