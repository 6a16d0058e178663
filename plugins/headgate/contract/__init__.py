"""Data contracts: read from ODCS files, matched against headers, turned into tables, kept in the registry."""

from headgate.contract.document import contract_from_document, load_contract, load_contracts
from headgate.contract.header import HeaderMatch, match_header, refusal
from headgate.contract.model import Column, Contract, Derive, Refuse, Source, UnitRule, fold
from headgate.contract.registry import apply_contract, evolve, registered

__all__ = [
    "Column",
    "Contract",
    "Derive",
    "HeaderMatch",
    "Refuse",
    "Source",
    "UnitRule",
    "apply_contract",
    "contract_from_document",
    "evolve",
    "fold",
    "load_contract",
    "load_contracts",
    "match_header",
    "refusal",
    "registered",
]
