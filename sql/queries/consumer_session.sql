-- Room for one batch in the session's temporary tables and for its sort; set before their first use.
SET temp_buffers = '32MB';
SET work_mem = '32MB';
-- A batch is small against its table: look its keys up in the index, do not read the table or all of its index for
-- each batch. This also keeps the order of keys, in which the batch is sorted, for the locks of the merge.
SET random_page_cost = 1.1;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
