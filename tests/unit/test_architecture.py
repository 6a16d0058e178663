"""Who may import whom, and what must stay light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CLI = CHECKOUT / "plugins/headgate/cli"
SHOWN_TO_PEOPLE = {CLI / "demo.py", CLI / "demo_apis.py"}  # queries that demos print and run
STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|MERGE|WITH)\b")
HEAVY = ("airflow", "great_expectations", "minio", "numpy", "openpyxl", "pandas", "pyarrow")


def imported_by(statement: str) -> set[str]:
    """The top-level packages that a fresh interpreter holds after the statement."""
    code = f"{statement}\nimport sys\nprint(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def python_files() -> list[Path]:
    """All that is shipped."""
    return [path for top in ("plugins", "consumers", "dags") for path in (CHECKOUT / top).rglob("*.py")]


def test_import_contracts_are_kept() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("module", ["headgate", "headgate.cli.app", "headgate.stack", "consumers.app"])
def test_starts_without_heavy_libraries(module: str) -> None:
    assert not imported_by(f"import {module}") & set(HEAVY)


def test_sql_statements_stand_in_files_of_their_own() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path in python_files()
        if path not in SHOWN_TO_PEOPLE
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and STATEMENT.match(node.value)
    ]
    assert found == []


def test_every_named_statement_is_used() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in python_files())
    names = [path.stem for path in (CHECKOUT / "sql" / "queries").glob("*.sql")]
    assert [name for name in names if f'"{name}"' not in code] == []


def test_airflow_does_not_load_the_library_as_plugins() -> None:
    lines = (CHECKOUT / "plugins" / ".airflowignore").read_text().splitlines()
    assert "headgate/" in lines


def test_images_carry_the_version_of_the_project() -> None:
    version = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    text = (CHECKOUT / "docker-compose.yml").read_text()
    assert f"headgate-airflow:{version}" in text
    assert f"headgate-consumers:{version}" in text


def test_lock_files_name_no_package_index() -> None:
    for path in CHECKOUT.glob("requirements*.lock"):
        assert "://" not in path.read_text(), path.name
