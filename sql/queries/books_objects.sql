SELECT * FROM headgate.books_object WHERE run_id = %(run_id)s ORDER BY version, object_id;
