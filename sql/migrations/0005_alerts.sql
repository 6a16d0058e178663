-- Alerts: events of one fingerprint folded into one, groups of them that are told together, what was sent to
-- whom, and silences. Written by the notification consumer; people acknowledge, resolve and silence.

-- Until now an alert was written by whoever raised it, and few were ever closed. What is still wrong is told anew.
UPDATE headgate.alert SET resolved_at = now() WHERE resolved_at IS NULL;
ALTER TABLE headgate.alert
    DROP chunk_id,
    DROP message_id,
    ADD fingerprint     text,                    -- equal for all events of the same condition
    ADD subject         text        NOT NULL DEFAULT '',
    ADD owner           text        NOT NULL DEFAULT 'unowned',   -- from the contract
    ADD state           text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'acknowledged', 'resolved')),
    ADD news            boolean     NOT NULL DEFAULT false,       -- no condition that ends: told once, then closed
    ADD count           bigint      NOT NULL DEFAULT 1,           -- events folded into it
    ADD last_event      bigint      NOT NULL DEFAULT 0,           -- number of the newest of them
    ADD last_at         timestamptz NOT NULL DEFAULT now(),       -- when that was recorded
    ADD changed_at      timestamptz NOT NULL DEFAULT now(),
    ADD expires_at      timestamptz,             -- it ends by itself when it has not come again by then
    ADD acknowledged_at timestamptz,
    ADD acknowledged_by text,
    ADD resolved_by     text,                    -- event, expiry, told, or the person
    ADD note            text;
UPDATE headgate.alert
SET dataset = coalesce(dataset, 'system'), state = 'resolved', fingerprint = 'alert ' || alert_id,
    last_at = raised_at, changed_at = raised_at;
ALTER TABLE headgate.alert
    ALTER fingerprint SET NOT NULL,
    ALTER dataset SET NOT NULL,
    ADD CHECK ((resolved_at IS NOT NULL) = (state = 'resolved'));
DROP INDEX headgate.alert_open;
REVOKE INSERT ON headgate.alert FROM headgate_pipeline;
CREATE UNIQUE INDEX alert_unresolved ON headgate.alert (fingerprint) WHERE state <> 'resolved';
CREATE INDEX alert_of_fingerprint ON headgate.alert (fingerprint, alert_id);
CREATE INDEX alert_of_dataset ON headgate.alert (dataset, alert_id);
CREATE INDEX alert_resolved ON headgate.alert (resolved_at);
CREATE INDEX alert_changed ON headgate.alert (changed_at);

-- While it lasts nobody is told of the alerts that fulfil all its matchers.
CREATE TABLE headgate.silence (
    silence_id bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    matchers   jsonb       NOT NULL CHECK (jsonb_array_length(matchers) > 0),   -- [{"label", "op", "value"}]
    starts_at  timestamptz NOT NULL DEFAULT now(),
    ends_at    timestamptz NOT NULL,
    note       text        NOT NULL DEFAULT '',
    created_by text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX silence_until ON headgate.silence (ends_at);

-- Alerts of one route with the same labels to group by: they are told in one message.
CREATE TABLE headgate.alert_group (
    group_id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_key      text        NOT NULL UNIQUE,  -- hash of the two that follow
    route          text        NOT NULL,         -- key of the route in the routing file
    labels         jsonb       NOT NULL,
    group_interval interval    NOT NULL,         -- of that route
    next_at        timestamptz,                  -- when it is to be looked at again; NULL: when something happens
    flushed_at     timestamptz,                  -- when it was looked at last
    sent_at        timestamptz,                  -- when something was sent last
    held           boolean     NOT NULL DEFAULT false    -- its receiver is not to be disturbed: a digest follows
);
CREATE INDEX alert_group_due ON headgate.alert_group (next_at);

-- What is known of an alert by those whom its group tells.
CREATE TABLE headgate.alert_member (
    group_id    bigint      NOT NULL REFERENCES headgate.alert_group ON DELETE CASCADE,
    alert_id    bigint      NOT NULL REFERENCES headgate.alert ON DELETE CASCADE,
    told_at     timestamptz,                     -- first told
    reminded_at timestamptz,                     -- last told
    told_count  bigint      NOT NULL DEFAULT 0,  -- the count that was told last
    again       boolean     NOT NULL DEFAULT false,  -- that it goes on was told since the last reminder
    escalation  integer     NOT NULL DEFAULT 0,  -- steps of escalation taken
    PRIMARY KEY (group_id, alert_id)
);
CREATE INDEX alert_member_of_alert ON headgate.alert_member (alert_id);

-- Outbox: a message is written in the transaction that notes it as told, and sent afterwards, as often as it takes.
CREATE TABLE headgate.notification (
    notification_id bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    receiver        text        NOT NULL,
    reason          text        NOT NULL CHECK (reason IN ('new', 'update', 'repeat', 'resolved', 'escalation', 'digest')),
    severity        text        NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    title           text        NOT NULL,
    body            text        NOT NULL,
    alert_ids       bigint[]    NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX notification_of_alert ON headgate.notification USING gin (alert_ids);
CREATE INDEX notification_created ON headgate.notification (created_at);

-- One way on which a message is sent. The address is in the routing file, not here: it holds secrets.
CREATE TABLE headgate.delivery (
    notification_id bigint      NOT NULL REFERENCES headgate.notification ON DELETE CASCADE,
    channel         text        NOT NULL,        -- log, or the number of the receiver's address: apprise[0]
    state           text        NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'failed')),
    attempts        integer     NOT NULL DEFAULT 0,
    next_at         timestamptz NOT NULL DEFAULT now(),
    sent_at         timestamptz,
    problem         text,                        -- of the last attempt that did not succeed
    PRIMARY KEY (notification_id, channel)
);
CREATE INDEX delivery_pending ON headgate.delivery (next_at) WHERE state = 'pending';

-- When an Alertmanager was last given all the alerts that it is to know.
CREATE TABLE headgate.alertmanager_feed (
    receiver text        NOT NULL,
    channel  text        NOT NULL,
    fed_at   timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (receiver, channel)
);

GRANT SELECT, INSERT, UPDATE ON headgate.alert, headgate.notification, headgate.delivery, headgate.alertmanager_feed
    TO headgate_loader;
GRANT SELECT, INSERT, UPDATE, DELETE ON headgate.alert_group, headgate.alert_member TO headgate_loader;
GRANT SELECT ON headgate.silence TO headgate_loader;
-- People, by the command line.
GRANT UPDATE ON headgate.alert_group TO headgate_pipeline;
GRANT INSERT, UPDATE ON headgate.silence TO headgate_pipeline;
