-- The dataset's runs, newest first.
SELECT * FROM headgate.books_run WHERE dataset = %(dataset)s ORDER BY run_id DESC LIMIT %(limit)s;
