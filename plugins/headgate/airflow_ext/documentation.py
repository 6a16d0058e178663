"""The page that Airflow shows for a dataset's DAG, written from its contract."""

from __future__ import annotations

from headgate.contract.model import Column, Contract

STEPS = """\
| step | what it does |
|---|---|
{fetch}| `scan` | lists the landing bucket and enters new object versions into the ledger |
| `inspect` | reads each object once: format, header against the contract, cut into chunks |
| `validate` | per chunk: typed parse and expectations; bad rows aside, good rows staged |
| `gate` | holds an object with too many bad rows or a wrong structure; finds duplicate keys |
| `stream` | sends the staged batches to RabbitMQ, with confirms |
| `settle` | waits without a worker slot until every batch has its receipt |
| `report` | the books: each row read was inserted, updated, unchanged, superseded or quarantined |"""


FETCH = """\
| `windows` | which windows to ask for: those of the interval, missing ones, those that may be corrected |
| `fetch` | asks the source, window by window, and lands its answers unchanged |
"""


def dag_page(contract: Contract) -> str:
    """Markdown: where the data comes from, where it goes, columns with units, rules, and how to rerun."""
    return "\n\n".join(
        [
            f"# {contract.name}",
            contract.description.strip(),
            _road(contract),
            "## Steps",
            STEPS.format(fetch=FETCH if contract.source else ""),
            "## Columns",
            _columns(contract),
            "## Rules",
            _rules(contract),
            "## Running it again",
            _rerun(contract),
        ]
    )


def _road(contract: Contract) -> str:
    source = contract.source
    asked = f"Fetched from `{source.provider}` (`{source.endpoint}`) by {source.window}. " if source else ""
    return asked + (
        f"From `s3://{contract.bucket}/{contract.prefix}` ({', '.join(contract.formats)}) "
        f"to table `{contract.qualified_table}`, key **{', '.join(contract.key)}**. "
        f"Owner: {contract.owner}. Contract version {contract.version}."
    )


def _columns(contract: Contract) -> str:
    lines = ["| column | type | unit | meaning | header in the files |", "|---|---|---|---|---|"]
    lines += [_column(column, column.name in contract.key) for column in contract.columns]
    return "\n".join(lines)


def _column(column: Column, is_key: bool) -> str:
    name = f"**{column.name}**" if is_key else column.name
    meaning = ": ".join(part for part in (column.title, column.description) if part)
    kind = f"{column.type}, required" if column.required else column.type
    cells = (name, kind, column.unit or "", meaning, ", ".join(column.aliases))
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


DRIFT = {
    "freeze": "the object is held",
    "evolve": "it becomes a new text column of the table and a new version of the contract",
    "discard": "it is left out",
    "rescue": "its values are kept as JSON in `_rescued`",
}


def _rules(contract: Contract) -> str:
    lines = [
        f"- An object with more than {contract.reject_threshold:.2%} bad rows is held and not published.",
        f"- An object with fewer than {contract.minimum_rows} rows is held.",
        f"- An unknown column: {DRIFT[contract.drift]}.",
        "- The same key twice in one object: the first row wins, the others go to quarantine.",
        "- The same key in two objects: the newer object wins; late older rows are counted as superseded.",
    ]
    if contract.on_rewrite == "replace":
        lines.append(
            "- Rows that a new version of an object no longer has are removed, unless they are more than "
            f"{contract.remove_threshold:.2%} of its rows or bad rows of it are in quarantine."
        )
    lines += [f"- Refused ({rule.where} `{rule.pattern}`): {rule.reason}" for rule in contract.refuse]
    lines += [f"- {name}: {value}" for name, value in contract.sla.items()]
    return "\n".join(lines)


def _rerun(contract: Contract) -> str:
    if contract.source is not None:
        return _fetch_again(contract)
    return f"""\
Running the DAG again is safe at any time: object versions that are loaded change nothing.

- New or corrected files: `headgate put {contract.dataset} FILE`, then trigger the DAG.
- A held object: mend it and put it again; or trigger with **accept rejects**, or name it in **objects**.
- Read loaded objects again, as if they were new: **reload**.
- Objects that arrived in a past period: a backfill selects objects by their time of arrival.
- A failed task can be cleared: each step takes up where it stopped and sends nothing twice.
- See `headgate books`, `headgate quarantine list --dataset {contract.dataset}`."""


def _fetch_again(contract: Contract) -> str:
    return f"""\
Running the DAG again is safe at any time: what is landed for good is not asked for again, the same answer
is no new version, and object versions that are loaded change nothing.

- All that is missing by now: trigger the DAG without dates.
- Certain days: **fetch from** and **fetch to**; with **fetch again** also what is landed for good.
- Past periods: a backfill asks for those of them that are missing.
- Only land, without a run: `headgate fetch {contract.dataset} --from DAY --to DAY`.
- The provider is away: the run loads what is landed and says what is missing; the next run asks for it.
- A held object: trigger with **accept rejects**, or name it in **objects**.
- A failed task can be cleared: each step takes up where it stopped.
- See `headgate sources list`, `headgate books`, `headgate quarantine list --dataset {contract.dataset}`."""
