-- Policy `replace`: rows that the newest version of an object no longer has are removed, and counted.

-- Whether a contract's versions write every row that they have, unchanged ones too.
ALTER TABLE headgate.dataset ADD replaces boolean NOT NULL GENERATED ALWAYS AS (
    jsonb_path_exists(contract, '$.customProperties[*] ? (@.property == "onRewrite" && @.value == "replace")')
) STORED;
-- Rows of versions before it that an object version no longer had and took out of the table.
ALTER TABLE headgate.object ADD rows_removed bigint NOT NULL DEFAULT 0;
