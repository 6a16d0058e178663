SELECT * FROM headgate.books_run WHERE run_id = %(run_id)s;
