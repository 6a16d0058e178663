"""``headgate contract``: check contracts and suites, apply them to Postgres, draft them, show them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headgate.cli.options import Json
from headgate.errors import Fatal

if TYPE_CHECKING:
    from headgate.contract.model import Contract

contract_app = typer.Typer(
    name="contract", help="Data contracts and expectation suites.", no_args_is_help=True
)

Datasets = Annotated[list[str] | None, typer.Argument(help="Datasets; all where none is named")]
Contracts = Annotated[
    Path | None, typer.Option("--contracts", help="Folder of the contracts, dags/datasets by default")
]
Expectations = Annotated[
    Path | None, typer.Option("--expectations", help="Folder of the suites, expectations by default")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(contract_app)


@contract_app.command("check")
def check(
    datasets: Datasets = None,
    contracts: Contracts = None,
    expectations: Expectations = None,
    json: Json = False,
) -> None:
    """Check contracts and suites offline: the ODCS schema, names, types, keys, and each expectation."""
    from headgate.cli.output import console, print_json

    reports = _reports(datasets, contracts, expectations)
    good = all(not report["problems"] for report in reports)
    if json:
        print_json({"ok": good, "contracts": [_public(report) for report in reports]})
    else:
        for report in reports:
            mark = "[red]✗[/]" if report["problems"] else "[green]✓[/]"
            console.print(f"{mark} {report['dataset']}: {report['columns']} columns, {report['rules']} rules")
            for problem in report["problems"]:
                console.print(f"  {problem}", markup=False, highlight=False)
    if not good:
        raise typer.Exit(1)


@contract_app.command("apply")
def apply(
    datasets: Datasets = None,
    contracts: Contracts = None,
    expectations: Expectations = None,
    json: Json = False,
) -> None:
    """Check them, create or extend the target tables and register their versions, as the owner role."""
    from headgate.cli.output import print_json, table
    from headgate.contract import apply_contract
    from headgate.db import connect
    from headgate.settings import settings

    reports = _reports(datasets, contracts, expectations)
    wrong = [f"{report['dataset']}: {problem}" for report in reports for problem in report["problems"]]
    if wrong:
        raise Fatal("nothing is applied:\n" + "\n".join(wrong))
    loaded = [report["contract"] for report in reports]
    with closing(connect(settings().require("owner_url"), application_name="headgate contract")) as conn:
        rows = [
            {"dataset": item.dataset, "table": item.qualified_table, "version": apply_contract(conn, item)}
            for item in loaded
        ]
    if json:
        print_json(rows)
    else:
        table(["dataset", "table", "version"], [list(row.values()) for row in rows], numeric=["version"])


@contract_app.command("show")
def show(
    dataset: Annotated[str, typer.Argument(help="Dataset")], contracts: Contracts = None, json: Json = False
) -> None:
    """Show a contract's columns with their types, units and the headers they are read from."""
    from headgate.cli.output import console, print_json, table
    from headgate.contract import load_contract

    contract = load_contract(_files(contracts, [dataset])[0])
    if json:
        print_json(contract.document)
        return
    console.print(f"[bold]{contract.name}[/] → {contract.qualified_table}, key {', '.join(contract.key)}")
    console.print(f"{contract.description}\n", markup=False)
    table(["column", "type", "unit", "read from", "title"], map(_column_row, contract.columns))


@contract_app.command("draft")
def draft(
    file: Annotated[Path, typer.Argument(help="Sample: CSV, TSV, XLSX, Parquet or NDJSON; .gz and .zst too")],
    dataset: Annotated[str | None, typer.Option("--dataset", help="Name; else the file's")] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="Key columns, comma-separated; else guessed")
    ] = None,
    sheet: Annotated[str | None, typer.Option("--sheet", help="Sheet of a workbook; else the first")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for both files; else dags/datasets and expectations")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there")] = False,
    json: Json = False,
) -> None:
    """Propose a contract and a suite from a sample file."""
    from headgate.cli.output import console, print_json
    from headgate.contract import draft as drafting

    proposal = drafting.draft(file, dataset, key.split(",") if key else (), sheet)
    contract_path = (out or _contracts_dir(None)) / f"{proposal.dataset}.yaml"
    suite_path = (out or _suites_dir(None)) / f"{proposal.dataset}.json"
    _write(contract_path, drafting.to_yaml(proposal.contract), force)
    _write(suite_path, drafting.to_json(proposal.suite), force)
    report = {
        "dataset": proposal.dataset,
        "contract": str(contract_path),
        "suite": str(suite_path),
        "key": list(proposal.key),
        "rows": proposal.rows,
    }
    if json:
        print_json(report)
    else:
        console.print(f"{contract_path}\n{suite_path}", highlight=False)
        console.print(f"Key: {', '.join(proposal.key)} (tells all {proposal.rows:,} sampled rows apart).")
        console.print("Review both, add units and descriptions. Then:", highlight=False)
        for step in ("contract check", "contract apply"):
            console.print(f"  headgate {step} {proposal.dataset}", markup=False, highlight=False)


def _reports(
    datasets: list[str] | None, contracts: Path | None, expectations: Path | None
) -> list[dict[str, Any]]:
    """What each contract and its suite is, and all that is wrong with it."""
    from headgate.contract.check import table_problems

    reports = [_check_one(path, _suites_dir(expectations)) for path in _files(contracts, datasets)]
    shared = table_problems(report["contract"] for report in reports if report["contract"])
    for report in reports:
        report["problems"] = [*report["problems"], *shared.get(report["dataset"], [])]
    return reports


def _check_one(path: Path, suites: Path) -> dict[str, Any]:
    from headgate.contract.check import check_file

    contract, problems = check_file(path)
    rules = 0
    if contract is not None:
        rules, found = _check_suite(suites / f"{path.stem}.json", contract)
        problems = [*problems, *found]
    return {
        "dataset": path.stem,
        "columns": len(contract.columns) if contract else 0,
        "rules": rules,
        "problems": problems,
        "contract": contract,
    }


def _check_suite(path: Path, contract: Contract) -> tuple[int, list[str]]:
    """Number of rules and problems; a dataset without a suite is checked by its types only."""
    from headgate.checks import check_suite, load_suite

    if not path.is_file():
        return 0, [f"there is no suite {path}; `headgate contract draft` proposes one"]
    try:
        suite = load_suite(path)
    except Fatal as error:
        return 0, [str(error)]
    return len(suite.rules), [f"suite: {problem}" for problem in check_suite(suite, contract)]


def _public(report: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in report.items() if name != "contract"}


def _column_row(column: Any) -> list[object]:
    shown = [alias for alias in column.aliases if alias != column.name]
    headers = ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")
    return [column.name, column.type, column.unit, headers, column.title]


def _files(contracts: Path | None, datasets: list[str] | None) -> list[Path]:
    folder = _contracts_dir(contracts)
    if not datasets:
        found = sorted(folder.glob("*.yaml"))
        if not found:
            raise Fatal(f"no contracts (*.yaml) in {folder}")
        return found
    missing = [name for name in datasets if not (folder / f"{name}.yaml").is_file()]
    if missing:
        known = ", ".join(path.stem for path in sorted(folder.glob("*.yaml"))) or "none"
        raise Fatal(f"no contract of {', '.join(missing)} in {folder}; there are {known}")
    return [folder / f"{name}.yaml" for name in datasets]


def _contracts_dir(given: Path | None) -> Path:
    from headgate.paths import datasets_dir

    return given or datasets_dir()


def _suites_dir(given: Path | None) -> Path:
    from headgate.paths import expectations_dir

    return given or expectations_dir()


def _write(path: Path, text: str, force: bool) -> None:
    if path.exists() and not force:
        raise Fatal(f"{path} is there already; --force overwrites it, --dataset gives another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
