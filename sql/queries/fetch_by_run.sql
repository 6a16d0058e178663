-- What became of a window that a run had to fetch.
INSERT INTO headgate.fetch_by_run (run_id, folder, state, fault, reason, pages, pages_new)
VALUES (%(run_id)s, %(folder)s, %(state)s, %(fault)s, %(reason)s, %(pages)s, %(pages_new)s)
ON CONFLICT (run_id, folder) DO UPDATE
    SET state = excluded.state, fault = excluded.fault, reason = excluded.reason, pages = excluded.pages,
        pages_new = excluded.pages_new;
