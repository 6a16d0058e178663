-- The ledger of an installation that has worked for three months: so many runs, five objects each, two chunks an
-- object, five batches a chunk. Half of the runs are of one busy dataset; a quarter are of one whose file is written
-- again and again under the same key. All of it is settled but for the newest runs, as it is in life: what is open
-- does not grow with what is behind. Written by a superuser without foreign keys and triggers, into a migrated
-- database without history.
SET LOCAL session_replication_role = replica;
SET LOCAL synchronous_commit = off;
SET LOCAL work_mem = '64MB';

CREATE TEMPORARY TABLE made_run ON COMMIT DROP AS
SELECT
    n AS run_id,
    CASE WHEN n %% 2 = 0 THEN 'd001' WHEN n %% 4 = 1 THEN 'd002' ELSE format('d%%s', lpad((3 + n / 4 %% 18)::text, 3, '0')) END
        AS dataset,
    now() - interval '91 days' * ((%(runs)s - n)::float / %(runs)s) - interval '10 minutes' AS at
FROM generate_series(1, %(runs)s) n;

INSERT INTO headgate.run OVERRIDING SYSTEM VALUE
SELECT
    run_id, dataset, 'scheduled__' || run_id, 'scheduled', '{"reload": false}', NULL, NULL, 1,
    CASE WHEN run_id > %(runs)s - 4 THEN 'running' WHEN run_id %% 50 = 49 THEN 'failed' ELSE 'success' END,
    CASE WHEN run_id %% 50 = 49 THEN 'one object is held' END, at, at + interval '3 minutes'
FROM made_run;

INSERT INTO headgate.object OVERRIDING SYSTEM VALUE
SELECT
    object_id, dataset, 'landing', key, NULL, md5(object_id::text), 100000, at,
    key, (extract(epoch FROM at) * 1000000)::bigint, md5('sha' || object_id) || md5('256' || object_id),
    state, CASE WHEN state = 'held' THEN 'too many bad rows' END, run_id, 1, NULL,
    '{"format": "csv", "encoding": "utf-8", "delimiter": ",", "header": ["id", "amount", "note"],
      "columns": {"id": 0, "amount": 1, "note": 2}, "staged_columns": ["_row_number", "id", "amount", "note"]}',
    at, CASE WHEN state IN ('published', 'loaded') THEN at END, CASE WHEN state = 'loaded' THEN at END,
    NULL, CASE WHEN at < now() - interval '15 days' THEN at END
FROM (
    SELECT
        r.run_id, r.dataset, r.at + place * interval '1 second' AS at, (r.run_id - 1) * 5 + place AS object_id,
        CASE
            WHEN r.dataset = 'd002' THEN 'd002/latest.csv'
            ELSE format('%%s/%%s.csv', r.dataset, (r.run_id - 1) * 5 + place)
        END AS key,
        CASE
            WHEN r.run_id > %(runs)s - 4 AND r.dataset = 'd002' THEN 'inspected'
            WHEN r.run_id > %(runs)s - 4 THEN 'published'
            WHEN place = 5 AND r.run_id %% 50 = 49 THEN 'held'
            WHEN place = 5 AND r.run_id %% 10 = 1 THEN 'duplicate'
            ELSE 'loaded'
        END AS state
    FROM made_run r
    CROSS JOIN generate_series(1, 5) place
) made;

INSERT INTO headgate.chunk OVERRIDING SYSTEM VALUE
SELECT
    (object_id - 1) * 2 + place + 1, object_id, place,
    jsonb_build_object('bucket', 'landing', 'key', key, 'offset', place * 50000, 'length', 50000),
    1 + place * 500, 2 + place * 500, 500 + bad, CASE WHEN state = 'inspected' THEN 'staged' ELSE 'streamed' END,
    500 + bad, 0, 500, bad, CASE WHEN bad > 0 THEN '{"type": 5}' ELSE '{}' END::jsonb, loaded_at, 'first'
FROM headgate.object
CROSS JOIN generate_series(0, 1) place
CROSS JOIN LATERAL (SELECT CASE WHEN object_id %% 10 = 3 AND state = 'loaded' THEN 5 ELSE 0 END AS bad) b
WHERE state IN ('inspected', 'published', 'loaded');

INSERT INTO headgate.batch
SELECT
    md5(c.chunk_id || '/' || place)::uuid, c.chunk_id, place, place * 10000, 10000, 100,
    c.first_row + place * 100, c.first_row + place * 100 + 99, md5(c.chunk_id::text),
    CASE WHEN o.state <> 'inspected' THEN o.found_at END
FROM headgate.chunk c
JOIN headgate.object o USING (object_id)
CROSS JOIN generate_series(0, 4) place;

-- The last message of the newest run is on its way.
INSERT INTO headgate.receipt
SELECT b.message_id, c.object_id, c.chunk_id, 100, 60, 20, 15, 5, 0, 'database-1', b.streamed_at
FROM headgate.batch b
JOIN headgate.chunk c USING (chunk_id)
JOIN headgate.object o USING (object_id)
WHERE b.streamed_at IS NOT NULL AND b.chunk_id <> (SELECT max(chunk_id) FROM headgate.chunk);

-- Every tenth bad row was never decided on.
INSERT INTO headgate.quarantine
    (dataset, object_id, chunk_id, row_number, line, stage, rule, column_name, value, reason, raw, violations,
     state, created_at, resolved_at)
SELECT
    o.dataset, o.object_id, c.chunk_id, c.first_row + 499 + place, c.first_row + 500 + place, 'validate', 'type',
    'amount', 'x', 'x is no number', '17,x,note',
    '[{"rule": "type", "column": "amount", "value": "x", "reason": "x is no number"}]',
    CASE WHEN o.object_id %% 100 = 3 THEN 'open' ELSE 'dismissed' END, o.found_at,
    CASE WHEN o.object_id %% 100 <> 3 THEN o.found_at END
FROM headgate.chunk c
JOIN headgate.object o USING (object_id)
CROSS JOIN generate_series(1, 5) place
WHERE c.rows_rejected > 0;

-- Twenty-five events a run, in the thirty days that they are kept. One in five is of a condition that came and went.
INSERT INTO headgate.event
    (event_id, kind, dataset, subject, severity, status, fingerprint, body, recorded_at, published_at, folded_at)
SELECT
    md5('event' || n), kind, dataset, 'scheduled__' || run_id, 'info', status,
    CASE status WHEN 'info' THEN md5('event' || n) ELSE dataset || '/run.failed' END,
    jsonb_build_object('data', jsonb_build_object('summary', 'something happened', 'run_id', run_id)),
    at, at, at
FROM (
    SELECT
        n, r.run_id, r.dataset, now() - (now() - r.at) / 3 AS at,
        CASE n %% 5 WHEN 0 THEN 'run.failed' ELSE 'run.finished' END AS kind,
        CASE WHEN n %% 5 > 0 THEN 'info' WHEN n %% 10 = 0 THEN 'firing' ELSE 'resolved' END AS status
    FROM generate_series(1, %(runs)s * 25) n
    JOIN made_run r ON r.run_id = (n + 24) / 25
) made
ORDER BY n;
UPDATE headgate.event SET published_at = NULL, folded_at = NULL WHERE number > %(runs)s * 25 - 10;

INSERT INTO headgate.error
    (error_key, source, class, cause, reason, dataset, run_id, object_id, chunk_id, message_id, queue, consumer, attempts,
     state, first_failed_at, last_failed_at, resolved_at)
SELECT
    md5('error' || n)::uuid, CASE n %% 2 WHEN 0 THEN 'consumer' ELSE 'task' END, 'data',
    CASE n %% 2 WHEN 0 THEN 'checksum' ELSE 'task' END, 'the digest is another', r.dataset, r.run_id,
    r.run_id * 5, r.run_id * 10, CASE n %% 2 WHEN 0 THEN md5(r.run_id * 10 || '/' || n %% 5)::uuid::text END,
    'headgate.rows.' || r.dataset, 'database-1', 2,
    CASE n %% 10 WHEN 0 THEN 'dismissed' ELSE 'resolved' END, r.at, r.at, r.at
FROM generate_series(1, %(runs)s * 5) n
JOIN made_run r ON r.run_id = (n + 4) / 5
ORDER BY n;
UPDATE headgate.error SET state = 'recorded', resolved_at = NULL
WHERE error_id > %(runs)s * 5 - 100 AND source = 'task';
UPDATE headgate.error SET state = 'parked', resolved_at = NULL, message_id = gen_random_uuid()::text
WHERE error_id > %(runs)s * 5 - 100 AND source = 'consumer';

INSERT INTO headgate.message_replay
    (message_id, error_id, dataset, replays, source, action, filter, replayed_by, replayed_at)
SELECT coalesce(message_id, ''), error_id, dataset, 1, 'parking', 'replayed', 'dataset=' || dataset, 'ann', last_failed_at
FROM headgate.error
WHERE error_id %% 4 = 0 AND state IN ('resolved', 'dismissed')
ORDER BY error_id;

INSERT INTO headgate.alert
    (kind, severity, dataset, run_id, object_id, summary, raised_at, resolved_at, fingerprint, subject, state, last_at,
     changed_at, resolved_by)
SELECT
    'object.held', 'warning', r.dataset, r.run_id, r.run_id * 5, 'an object is held', r.at, r.at, md5('alert' || n),
    format('%%s/%%s.csv', r.dataset, n), 'resolved', r.at, r.at, 'event'
FROM generate_series(1, %(runs)s * 5) n
JOIN made_run r ON r.run_id = (n + 4) / 5
ORDER BY n;
UPDATE headgate.alert SET state = 'open', resolved_at = NULL, resolved_by = NULL
WHERE alert_id > %(runs)s * 5 - 100;

INSERT INTO headgate.silence (matchers, starts_at, ends_at, created_by)
SELECT
    '[{"label": "dataset", "op": "=", "value": "d009"}]', r.at,
    CASE WHEN r.run_id > %(runs)s - 20 THEN now() + interval '1 hour' ELSE r.at + interval '1 hour' END, 'ann'
FROM made_run r
WHERE r.run_id %% 20 = 0 OR r.run_id > %(runs)s - 20;

INSERT INTO headgate.notification (receiver, reason, severity, title, body, alert_ids, created_at)
SELECT 'team', 'new', 'warning', 'an object is held', 'what to do', ARRAY[alert_id], raised_at
FROM headgate.alert
WHERE alert_id %% 2 = 0
ORDER BY alert_id;
INSERT INTO headgate.delivery (notification_id, channel, state, attempts, next_at, sent_at)
SELECT notification_id, 'chat', 'sent', 1, created_at, created_at
FROM headgate.notification;
UPDATE headgate.delivery SET state = 'pending', sent_at = NULL
WHERE notification_id > (SELECT max(notification_id) - 3 FROM headgate.notification);

INSERT INTO headgate.replay (replay_key, dataset, bucket, object_id, rows, created_at, put_at)
SELECT dataset || '/_replays/' || object_id, dataset, 'landing', object_id, 5, found_at, found_at
FROM headgate.object
WHERE object_id %% 100 = 13;

-- New rows come after these.
SELECT
    setval('headgate.run_run_id_seq', %(runs)s),
    setval('headgate.object_object_id_seq', %(runs)s * 5),
    setval('headgate.chunk_chunk_id_seq', %(runs)s * 10);
