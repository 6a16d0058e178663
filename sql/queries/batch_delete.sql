DELETE FROM headgate.batch WHERE chunk_id = %(chunk_id)s;
