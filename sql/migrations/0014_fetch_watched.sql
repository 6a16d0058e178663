-- The watch, which is the loader's, looks when an API was last asked with success.
GRANT SELECT ON headgate.fetch TO headgate_loader;
CREATE INDEX fetch_newest ON headgate.fetch (dataset, fetched_at DESC NULLS LAST);
