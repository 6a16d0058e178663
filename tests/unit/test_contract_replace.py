"""Contracts whose versions replace another: what they say, and where that would remove too much."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from headgate.contract import Contract, contract_from_document, load_contract
from headgate.contract.check import contract_problems
from headgate.contract.table import index_ddl, table_ddl
from headgate.errors import Fatal
from headgate.paths import datasets_dir
from headgate.sources.catalogue import PROVIDERS, provider
from tests.unit.test_architecture import imported_by


def plants(**changes: Any) -> Contract:
    """The plants contract with these custom properties."""
    document = deepcopy(dict(load_contract(datasets_dir() / "egrid_plants.yaml").document))
    kept = [entry for entry in document["customProperties"] if entry["property"] not in changes]
    changed = [{"property": name, "value": value} for name, value in changes.items()]
    return contract_from_document(document | {"customProperties": kept + changed})


def fetched(provider_name: str, endpoint: str, **terms: Any) -> Contract:
    source = {"provider": provider_name, "endpoint": endpoint, "window": "day", **terms}
    document = deepcopy(dict(plants(onRewrite="replace", source=source).document))
    document["servers"][0]["customProperties"] = [{"property": "formats", "value": ["api"]}]
    return contract_from_document(document)


def paged() -> list[tuple[str, str]]:
    """Provider and endpoint, one of each provider that has such."""
    found = [(name, sorted(provider(name).paged)) for name in PROVIDERS]
    return [(name, endpoints[0]) for name, endpoints in found if endpoints]


def test_merge_is_the_policy_where_none_is_named() -> None:
    contract = plants()
    assert (contract.on_rewrite, contract.remove_threshold) == ("merge", 0.2)
    assert "_object_id" not in "".join(index_ddl(contract))


def test_files_may_replace() -> None:
    contract = plants(onRewrite="replace", removeThreshold=0.5)
    assert (contract.on_rewrite, contract.remove_threshold) == ("replace", 0.5)
    assert contract_problems(contract) == []


def test_a_table_whose_rows_are_replaced_finds_them_by_their_object() -> None:
    contract = plants(onRewrite="replace")
    wanted = 'CREATE INDEX IF NOT EXISTS "plants__object_id_idx" ON "egrid"."plants" ("_object_id")'
    assert wanted in table_ddl(contract)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"onRewrite": "append"}, "onRewrite: 'append' is none of merge, replace"),
        ({"removeThreshold": 20}, "removeThreshold 20.0 is a share of rows: give 0 to 1"),
    ],
)
def test_other_policies_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Fatal, match=said):
        plants(**changes)


@pytest.mark.parametrize(("name", "endpoint"), paged())
def test_answers_in_pages_are_not_replaced(name: str, endpoint: str) -> None:
    *_, problem = contract_problems(fetched(name, endpoint))
    assert f"{name} answers {endpoint} in pages" in problem


def test_a_provider_that_nobody_knows_is_a_problem_and_not_the_end_of_the_check() -> None:
    (problem,) = contract_problems(fetched("nobody", "anything"))
    assert "no provider 'nobody'" in problem


def test_whole_answers_of_a_provider_are_replaced() -> None:
    endpoint = "land_covers"
    assert endpoint not in provider("globe").paged
    assert contract_problems(fetched("globe", endpoint)) == []


def test_an_object_of_its_own_for_each_run_replaces_nothing() -> None:
    *_, problem = contract_problems(fetched("globe", "land_covers", window="interval"))
    assert "each run fetches another object" in problem


def test_the_check_knows_providers_without_their_libraries() -> None:
    modules = "; ".join(f"provider({name!r})" for name, _ in paged())
    imported = imported_by(f"from headgate.sources.catalogue import provider; {modules}")
    assert not imported & {"authlib", "httpx", "ijson", "minio", "pyarrow"}
