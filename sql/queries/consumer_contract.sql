-- A contract as it was applied under this version.
SELECT contract FROM headgate.dataset WHERE dataset = %(dataset)s AND version = %(version)s;
