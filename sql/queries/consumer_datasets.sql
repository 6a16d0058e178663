-- Every dataset that was ever applied has a queue.
SELECT DISTINCT dataset FROM headgate.dataset ORDER BY dataset;
