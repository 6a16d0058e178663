"""Data contracts: read from ODCS files, matched against headers, turned into tables, kept in the registry."""

from headgate.contract.document import contract_from_document, load_contract, load_contracts
from headgate.contract.header import HeaderMatch, match_header, refusal
from headgate.contract.model import Column, Contract, Derive, Index, Refuse, Source, UnitRule, fold
from headgate.contract.registry import apply_contract, evolve, registered
from headgate.contract.table import evolve_ddl, table_ddl

__all__ = [
    "Column",
    "Contract",
    "Derive",
    "HeaderMatch",
    "Index",
    "Refuse",
    "Source",
    "UnitRule",
    "apply_contract",
    "contract_from_document",
    "evolve",
    "evolve_ddl",
    "fold",
    "load_contract",
    "load_contracts",
    "match_header",
    "refusal",
    "registered",
    "table_ddl",
]
