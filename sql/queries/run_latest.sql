SELECT * FROM headgate.run WHERE dataset = %(dataset)s ORDER BY run_id DESC LIMIT 1;
