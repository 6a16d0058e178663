-- What the newest contract of each dataset says about retention; NULL where it says nothing.
SELECT DISTINCT ON (dataset)
    dataset,
    jsonb_path_query_first(contract, '$.customProperties[*] ? (@.property == "retention").value') AS rules
FROM headgate.dataset
ORDER BY dataset, version DESC;
