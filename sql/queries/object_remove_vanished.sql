SELECT * FROM headgate.remove_vanished(%(object_id)s, %(threshold)s);
