SELECT * FROM headgate.row_history(%(dataset)s, %(key)s, %(row)s);
