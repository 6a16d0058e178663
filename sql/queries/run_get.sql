SELECT * FROM headgate.run WHERE run_id = %(run_id)s;
