-- Whether the ledger knows the object that a message says its rows come from.
SELECT EXISTS (SELECT FROM headgate.object WHERE object_id = %(object_id)s AND dataset = %(dataset)s);
