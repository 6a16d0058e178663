-- What the chunks of an object say before it is published.
SELECT
    coalesce(sum(rows_rejected), 0)::bigint AS rejected,
    count(*) FILTER (WHERE state = 'planned') AS unstaged
FROM headgate.chunk
WHERE object_id = %(object_id)s;
