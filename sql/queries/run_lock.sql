-- The run, to be closed.
SELECT * FROM headgate.run WHERE run_id = %(run_id)s FOR NO KEY UPDATE;
