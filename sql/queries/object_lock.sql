-- The object, for a change of its state.
SELECT * FROM headgate.object WHERE object_id = %(object_id)s FOR NO KEY UPDATE;
