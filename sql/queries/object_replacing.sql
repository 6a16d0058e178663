-- Objects of the run, past the gate, whose contract says `replace`; older versions first.
SELECT o.*
FROM headgate.object o
JOIN headgate.dataset d ON d.dataset = o.dataset AND d.version = o.contract_version
WHERE o.run_id = %(run_id)s AND o.state IN ('published', 'loaded') AND d.replaces
ORDER BY o.version, o.object_id;
