-- A new version of a contract.
INSERT INTO headgate.dataset (dataset, version, contract, sha256, table_schema, table_name)
VALUES (%(dataset)s, %(version)s, %(contract)s, %(sha256)s, %(table_schema)s, %(table_name)s);
