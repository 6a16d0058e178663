-- Room for one batch in the session's temporary tables and for its sort; set before their first use.
SET temp_buffers = '32MB';
SET work_mem = '32MB';
