-- A contract as it was applied under this version.
SELECT version, contract, sha256, table_schema, table_name
FROM headgate.dataset
WHERE dataset = %(dataset)s AND version = %(version)s;
