-- The newest applied version of a contract.
SELECT version, contract, sha256, table_schema, table_name
FROM headgate.dataset
WHERE dataset = %(dataset)s
ORDER BY version DESC
LIMIT 1;
