-- What a run fetched: one line for each state and reason.
SELECT
    state,
    fault,
    reason,
    count(*)::integer AS windows,
    sum(pages)::integer AS pages,
    sum(pages_new)::integer AS pages_new
FROM headgate.fetch
WHERE run_id = %(run_id)s
GROUP BY state, fault, reason
ORDER BY state, count(*) DESC, reason;
