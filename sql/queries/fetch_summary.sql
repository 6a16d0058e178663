-- What a run fetched, as it was summed up.
SELECT s.state, s.fault, s.reason, s.windows, s.pages, s.pages_new
FROM headgate.run AS r
CROSS JOIN LATERAL jsonb_to_recordset(r.fetched) AS s (
    state text, fault text, reason text, windows integer, pages integer, pages_new integer
)
WHERE r.run_id = %(run_id)s;
