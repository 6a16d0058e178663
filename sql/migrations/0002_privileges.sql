-- Who may do what in the control schema. Rights on data tables are granted by `contract apply`.

GRANT USAGE ON SCHEMA headgate TO headgate_loader, headgate_pipeline, headgate_reader;

-- Reader: everything, nothing but SELECT; later tables and views too. No table holds a secret.
GRANT SELECT ON ALL TABLES IN SCHEMA headgate TO headgate_reader, headgate_pipeline;
ALTER DEFAULT PRIVILEGES IN SCHEMA headgate GRANT SELECT ON TABLES TO headgate_reader, headgate_pipeline;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Pipeline: the ledger. The registry is written by the owner only, receipts by the loader only.
GRANT INSERT, UPDATE ON headgate.run, headgate.object, headgate.replay TO headgate_pipeline;
GRANT INSERT, UPDATE, DELETE ON headgate.chunk, headgate.batch TO headgate_pipeline;
GRANT INSERT, UPDATE ON headgate.quarantine, headgate.alert TO headgate_pipeline;

-- Loader: receipts, refused rows, alerts; it reads what it needs to judge a message.
GRANT SELECT ON headgate.dataset, headgate.object, headgate.chunk, headgate.batch, headgate.alert TO headgate_loader;
GRANT SELECT, INSERT, UPDATE ON headgate.receipt TO headgate_loader;
GRANT INSERT ON headgate.quarantine, headgate.alert TO headgate_loader;
