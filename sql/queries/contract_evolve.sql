-- Adds text columns for headers that the contract does not name; yields the version that has them.
SELECT headgate.evolve(%(dataset)s, %(names)s::text[], %(headers)s::text[]);
