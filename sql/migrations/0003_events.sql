-- Events: the outbox of all that a person may want to hear. Recorded in the transaction of what they tell
-- of, published afterwards, folded into alerts by the notification consumer.

CREATE TABLE headgate.event (
    event_id     text        PRIMARY KEY,        -- the CloudEvent's id
    number       bigint      GENERATED ALWAYS AS IDENTITY,  -- order of recording
    kind         text        NOT NULL,           -- the CloudEvent's type without "headgate."
    dataset      text        NOT NULL,           -- "system" where it belongs to none
    subject      text        NOT NULL,
    severity     text        NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    status       text        NOT NULL CHECK (status IN ('firing', 'resolved', 'info')),
    fingerprint  text        NOT NULL,           -- equal for all that tell of the same condition
    body         jsonb       NOT NULL,           -- the CloudEvent as published
    recorded_at  timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    folded_at    timestamptz
);
CREATE INDEX event_unpublished ON headgate.event (number) WHERE published_at IS NULL;
CREATE INDEX event_unfolded ON headgate.event (number) WHERE folded_at IS NULL;
CREATE INDEX event_of_dataset ON headgate.event (dataset, number);
CREATE INDEX event_of_fingerprint ON headgate.event (fingerprint, number);

GRANT SELECT, INSERT, UPDATE ON headgate.event TO headgate_loader;
GRANT INSERT, UPDATE ON headgate.event TO headgate_pipeline;

-- What the watch has seen to be wrong, so that each is told once and its end once, whoever watches.
CREATE TABLE headgate.watch (
    fingerprint text        PRIMARY KEY,         -- of the alert
    kind        text        NOT NULL,            -- of the event that tells it
    dataset     text        NOT NULL,
    subject     text        NOT NULL,
    data        jsonb       NOT NULL,            -- of the event, as seen last
    mark        text        NOT NULL,            -- a condition with another mark is a new one
    since       timestamptz NOT NULL DEFAULT now(),
    seen_at     timestamptz NOT NULL DEFAULT now(),
    fired_at    timestamptz                      -- when it was told; NULL: it may pass
);
GRANT SELECT, INSERT, UPDATE, DELETE ON headgate.watch TO headgate_loader;

-- Freshness: when data that is loaded, or is known to be the same, came last.
CREATE INDEX object_fresh ON headgate.object (dataset, version) WHERE state IN ('loaded', 'duplicate');
