SELECT * FROM headgate.object WHERE object_id = %(object_id)s;
