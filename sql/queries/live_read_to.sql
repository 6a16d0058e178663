-- Up to when the stream was read.
SELECT read_to FROM headgate.live WHERE dataset = %(dataset)s;
