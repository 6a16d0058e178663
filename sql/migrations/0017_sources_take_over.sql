-- Records of an API move between pages and windows: of two answers of one fetch, the one without a row must not
-- keep the other from changing it.

-- Whether a contract's versions write every row that they have, unchanged ones too, and so vouch for no others.
ALTER TABLE headgate.dataset ADD takes_over boolean NOT NULL GENERATED ALWAYS AS (
    jsonb_path_exists(
        contract,
        '$.customProperties[*] ? (@.property == "source" || @.property == "onRewrite" && @.value == "replace")'
    )
) STORED;
