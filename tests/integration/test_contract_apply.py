"""Contracts applied to a real Postgres: table, comments, grants, versions, evolution."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
import yaml

from headgate.contract import (
    Contract,
    apply_contract,
    contract_from_document,
    evolve,
    load_contract,
    load_contracts,
    registered,
)
from headgate.db import connect
from headgate.errors import Fatal
from headgate.paths import datasets_dir, expectations_dir

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from tests.conftest import Database


@pytest.fixture
def owner(database: Database) -> Iterator[Connection]:
    with closing(connect(database.owner_url)) as conn:
        yield conn


@pytest.fixture
def generators() -> Contract:
    return load_contract(datasets_dir() / "egrid_generators.yaml")


def rows(conn: Connection, statement: str) -> list[tuple[Any, ...]]:
    with conn, conn.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def changed(contract: Contract, **columns: Mapping[str, Any] | None) -> Contract:
    """The contract with columns added, changed, or (None) taken out."""
    document = deepcopy(dict(contract.document))
    properties = {item["name"]: item for item in document["schema"][0]["properties"]}
    for name, change in columns.items():
        if change is None:
            del properties[name]
        else:
            properties[name] = {"name": name, **properties.get(name, {}), **change}
    document["schema"][0]["properties"] = list(properties.values())
    return contract_from_document(document)


def with_drift(contract: Contract, drift: str) -> Contract:
    document = deepcopy(dict(contract.document))
    for item in document["customProperties"]:
        if item["property"] == "drift":
            item["value"] = drift
    return contract_from_document(document)


ROW = (
    "INSERT INTO egrid.generators (plant_code, generator_id, prime_mover, year, _object_id, _row_number, "
    "_object_version) VALUES ('3265', '1', 'ST', 2018, 1, 1, 1)"
)


class TestApply:
    def test_makes_the_table_with_key_types_and_comments(
        self, owner: Connection, generators: Contract
    ) -> None:
        assert apply_contract(owner, generators) == 1
        types = dict(
            rows(
                owner,
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
                "WHERE attrelid = 'egrid.generators'::regclass AND attnum > 0",
            )
        )
        assert types["plant_code"] == "text"
        assert types["year"] == "integer"
        assert types["net_generation_mwh"] == "double precision"
        assert types["_rescued"] == "jsonb"
        ((comment,),) = rows(
            owner,
            "SELECT col_description(attrelid, attnum) FROM pg_attribute "
            "WHERE attrelid = 'egrid.generators'::regclass AND attname = 'nameplate_capacity_mw'",
        )
        assert comment == "Nameplate capacity [MW]"

    def test_twice_changes_nothing(self, owner: Connection, generators: Contract) -> None:
        versions = [apply_contract(owner, generators) for _ in range(2)]
        assert versions == [1, 1]
        assert rows(owner, "SELECT count(*) FROM headgate.dataset") == [(1,)]

    def test_two_at_once_come_one_after_the_other(self, database: Database, generators: Contract) -> None:
        versions: list[int] = []

        def work() -> None:
            with closing(connect(database.owner_url)) as conn:
                versions.append(apply_contract(conn, generators))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert versions == [1, 1, 1, 1]

    def test_grants_are_the_least_each_role_needs(
        self, owner: Connection, database: Database, generators: Contract
    ) -> None:
        apply_contract(owner, generators)
        with closing(connect(database.loader_url)) as loader:
            rows(loader, ROW)
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                rows(loader, "DELETE FROM egrid.generators")
        for url in (database.pipeline_url, database.reader_url):
            with closing(connect(url)) as conn:
                assert rows(conn, "SELECT plant_code FROM egrid.generators") == [("3265",)]
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    rows(conn, "UPDATE egrid.generators SET state = 'SC'")

    def test_what_was_registered_reads_back_as_it_was(self, owner: Connection, generators: Contract) -> None:
        apply_contract(owner, generators)
        found, version = registered(owner, "egrid_generators")
        assert (found, version) == (generators, 1)

    def test_a_dataset_that_was_never_applied_is_told(self, owner: Connection) -> None:
        with pytest.raises(Fatal, match="run `headgate contract apply ships`"):
            registered(owner, "ships")


class TestEvolution:
    def test_a_new_column_is_added_below_loaded_rows(self, owner: Connection, generators: Contract) -> None:
        apply_contract(owner, generators)
        rows(owner, ROW)
        extended = changed(
            generators, county={"physicalType": "text", "logicalType": "string", "businessName": "County"}
        )
        assert apply_contract(owner, extended) == 2
        assert rows(owner, "SELECT plant_code, county FROM egrid.generators") == [("3265", None)]
        older, _ = registered(owner, "egrid_generators", 1)
        assert "county" not in older.by_name

    def test_a_column_that_left_the_contract_stays_in_the_table(
        self, owner: Connection, generators: Contract
    ) -> None:
        apply_contract(owner, changed(generators, status={"required": True}))
        assert apply_contract(owner, changed(generators, status=None)) == 2
        rows(owner, ROW)  # and takes nulls now

    def test_another_type_is_refused_and_leaves_all_as_it_was(
        self, owner: Connection, generators: Contract
    ) -> None:
        apply_contract(owner, generators)
        text = changed(generators, online_year={"physicalType": "text", "logicalType": "string"})
        with pytest.raises(
            Fatal, match=r"online_year is integer in egrid\.generators and text in the contract"
        ):
            apply_contract(owner, text)
        assert registered(owner, "egrid_generators")[1] == 1

    def test_another_key_is_refused(self, owner: Connection, generators: Contract) -> None:
        apply_contract(owner, generators)
        with pytest.raises(Fatal, match="A key is not changed under loaded rows"):
            apply_contract(owner, changed(generators, prime_mover={"primaryKey": False}))

    def test_another_table_is_refused_until_a_person_has_renamed_it(
        self, owner: Connection, generators: Contract
    ) -> None:
        apply_contract(owner, generators)
        document = deepcopy(dict(generators.document))
        document["schema"][0]["physicalName"] = "egrid.engines"
        renamed = contract_from_document(document)
        rows(owner, ROW)
        with pytest.raises(Fatal, match=r"its rows are in egrid\.generators"):
            apply_contract(owner, renamed)
        rows(owner, "ALTER TABLE egrid.generators RENAME TO engines")
        assert apply_contract(owner, renamed) == 2
        assert rows(owner, "SELECT count(*) FROM egrid.engines") == [(1,)]

    def test_a_table_of_somebody_else_is_left_alone(self, owner: Connection, generators: Contract) -> None:
        rows(owner, "CREATE SCHEMA egrid")
        rows(owner, "CREATE TABLE egrid.generators (plant_code text PRIMARY KEY)")
        with pytest.raises(Fatal, match="Headgate did not make it"):
            apply_contract(owner, generators)


class TestEvolve:
    def test_unknown_headers_become_text_columns_of_a_new_version(
        self, owner: Connection, database: Database, generators: Contract
    ) -> None:
        apply_contract(owner, with_drift(generators, "evolve"))
        with closing(connect(database.pipeline_url)) as pipeline:
            assert evolve(pipeline, "egrid_generators", ["Fuel (2nd)", "GENID", "County"]) == 2
            assert evolve(pipeline, "egrid_generators", ["County"]) == 2
            assert evolve(pipeline, "egrid_generators", ["FUEL  (2nd) "]) == 2  # as headers are matched
            contract, version = registered(pipeline, "egrid_generators")
        assert version == 2
        column = contract.by_name["fuel_2nd"]
        assert (column.type, column.evolved, "Fuel (2nd)" in column.aliases) == ("text", True, True)
        assert rows(owner, "SELECT fuel_2nd, county FROM egrid.generators") == []

    def test_they_outlive_the_next_version_of_the_file(
        self, owner: Connection, database: Database, generators: Contract
    ) -> None:
        evolving = with_drift(generators, "evolve")
        apply_contract(owner, evolving)
        with closing(connect(database.pipeline_url)) as pipeline:
            evolve(pipeline, "egrid_generators", ["County"])
        assert apply_contract(owner, evolving) == 2  # the file is as it was
        extended = changed(evolving, notes={"physicalType": "text", "logicalType": "string"})
        assert apply_contract(owner, extended) == 3
        contract, _ = registered(owner, "egrid_generators")
        assert {"county", "notes"} <= contract.by_name.keys()
        assert apply_contract(owner, extended) == 3

    def test_other_drift_modes_add_nothing(
        self, owner: Connection, database: Database, generators: Contract
    ) -> None:
        apply_contract(owner, generators)
        with closing(connect(database.pipeline_url)) as pipeline, pytest.raises(Fatal, match="drift: evolve"):
            evolve(pipeline, "egrid_generators", ["County"])


def in_pages() -> dict[str, Any]:
    """A contract that replaces what its provider answers in pages."""
    document = deepcopy(dict(load_contract(datasets_dir() / "ghcn_daily.yaml").document))
    document["customProperties"].append({"property": "onRewrite", "value": "replace"})
    return document


def test_what_the_check_finds_wrong_is_not_applied(owner: Connection) -> None:
    with pytest.raises(Fatal, match="ghcn_daily: onRewrite: noaa_cdo answers data in pages"):
        apply_contract(owner, contract_from_document(in_pages()))
    assert rows(owner, "SELECT FROM headgate.dataset") == []


def test_the_command_checks_suites_too_and_applies_all_or_nothing(
    owner: Connection, database: Database, tmp_path: Path
) -> None:
    plants = load_contract(datasets_dir() / "egrid_plants.yaml").document
    for name, document in [("egrid_plants", plants), ("ghcn_daily", in_pages())]:
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(dict(document)))
        shutil.copy(expectations_dir() / "egrid_generators.json", tmp_path / f"{name}.json")
    command = ["contract", "apply", "--contracts", tmp_path, "--expectations", tmp_path]
    finished = subprocess.run(
        [sys.executable, "-m", "headgate.cli.app", *map(str, command)],
        env={**os.environ, "HEADGATE_OWNER_URL": database.owner_url},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert (finished.returncode, rows(owner, "SELECT FROM headgate.dataset")) == (1, [])
    assert "nothing is applied" in finished.stderr
    for name in ("egrid_plants: suite: ", "ghcn_daily: suite: ", "ghcn_daily: onRewrite: "):
        assert name in finished.stderr


def test_the_command_applies_all_contracts_and_again_changes_nothing(database: Database) -> None:
    def applied() -> Any:
        finished = subprocess.run(
            [sys.executable, "-m", "headgate.cli.app", "contract", "apply", "--json"],
            env={**os.environ, "HEADGATE_OWNER_URL": database.owner_url},
            capture_output=True,
            text=True,
            check=True,
            timeout=180,
        )
        return json.loads(finished.stdout)

    first = applied()
    contracts = load_contracts(datasets_dir()).values()
    assert [(row["table"], row["version"]) for row in first] == [(c.qualified_table, 1) for c in contracts]
    assert applied() == first
