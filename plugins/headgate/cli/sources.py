"""``headgate sources``: the providers of APIs, how they stand, and their breakers by hand."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from headgate.cli.options import Json, user
from headgate.cli.output import console, print_json, table

if TYPE_CHECKING:
    from headgate.sources.model import Limit
    from headgate.sources.standing import Standing

Name = Annotated[str, typer.Argument(help="Provider, as `headgate sources list` names it.")]


@dataclass(frozen=True)
class Source:
    """A provider as people see it. ``credentials``: set, missing, or not needed; ``missing``: variables."""

    provider: str
    title: str
    state: str
    reason: str | None
    opened_at: datetime | None
    held_until: datetime | None
    calls_of_day: int | None  # not counted where there is no limit
    limits: list[str]
    credentials: str
    missing: list[str]
    addresses: dict[str, str]  # by name of host
    datasets: list[str]


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    sources = typer.Typer(no_args_is_help=True, help="Providers of APIs: how they stand, and their breakers.")
    sources.command("list")(list_sources)
    sources.command("open")(open_source)
    sources.command("close")(close_source)
    sources.command("reset")(reset_source)
    app.add_typer(sources, name="sources")


def list_sources(json: Json = False) -> None:
    """Show each provider: whether it is asked, how often it was, what is missing, and its datasets."""
    found = read()
    if json:
        print_json(found)
        return
    lines = [
        (
            source.provider,
            _state(source),
            source.calls_of_day,
            ", ".join(source.limits),
            source.credentials,
            ", ".join(source.datasets),
        )
        for source in found
    ]
    columns = ("provider", "state", "calls in 24 h", "limits", "credentials", "datasets")
    table(columns, lines, numeric=("calls in 24 h",))
    for source in found:  # not in the table: what is folded cannot be copied
        for told in (source.reason, f"set {' and '.join(source.missing)}" if source.missing else None):
            if told:
                console.print(f"{source.provider}: {told}", markup=False, highlight=False, soft_wrap=True)


def open_source(name: Name, json: Json = False) -> None:
    """Ask a provider nothing any more, until it is reset: runs go on with what is landed."""
    _force(name, "open", json)


def close_source(name: Name, json: Json = False) -> None:
    """Ask a provider whatever happens, until it is reset: its breaker stays closed."""
    _force(name, "closed", json)


def reset_source(name: Name, json: Json = False) -> None:
    """Let the breaker decide again, closed; ends waits that a provider asked for."""
    _force(name, None, json)


def read() -> list[Source]:
    """Every provider that is known. ``Retriable`` when Postgres is away."""
    from headgate.cli.connection import connect_reader
    from headgate.contract import load_contracts
    from headgate.paths import datasets_dir
    from headgate.sources.catalogue import PROVIDERS
    from headgate.sources.standing import standings

    contracts = load_contracts(datasets_dir()).values()
    uses = [(contract.source.provider, contract.dataset) for contract in contracts if contract.source]
    with closing(connect_reader("headgate-sources")) as conn:
        known = standings(conn)
    return [
        _source(name, known.get(name), sorted(dataset for by, dataset in uses if by == name))
        for name in sorted(PROVIDERS)
    ]


def _source(name: str, standing: Standing | None, datasets: list[str]) -> Source:
    from headgate.settings import settings
    from headgate.sources.catalogue import provider
    from headgate.sources.credentials import access, missing

    chosen = provider(name)
    found = access(chosen, settings())
    lacking = missing(chosen, found)
    return Source(
        provider=name,
        title=chosen.title,
        state=standing.shown if standing else "closed",
        reason=standing.why if standing else None,
        opened_at=standing.opened_at if standing and standing.state != "closed" else None,
        held_until=standing.held_until if standing else None,
        calls_of_day=(standing.calls_of_day if standing else 0) if chosen.limits else None,
        limits=[_limit(limit) for limit in chosen.limits],
        credentials="missing" if lacking else "set" if found.secrets else "not needed",
        missing=lacking,
        addresses=dict(found.hosts),
        datasets=datasets,
    )


def _limit(limit: Limit) -> str:
    spans = {1.0: "a second", 60.0: "a minute", 3600.0: "an hour", 86_400.0: "a day"}
    return f"{limit.requests:,} {spans.get(limit.seconds, f'in {limit.seconds:g} s')}"


def _state(source: Source) -> str:
    if source.held_until:
        return f"{source.state}, waits until {source.held_until:%Y-%m-%d %H:%M:%S} UTC"
    since = f" since {source.opened_at:%Y-%m-%d %H:%M:%S} UTC" if source.opened_at else ""
    return source.state + since


def _force(name: str, state: Literal["open", "closed"] | None, json: bool) -> None:
    from headgate.cli.connection import connect_pipeline
    from headgate.sources.catalogue import provider
    from headgate.sources.standing import force

    chosen = provider(name)
    with closing(connect_pipeline("headgate-sources")) as conn:
        force(conn, chosen, state, user())
    if json:
        print_json({"provider": name, "state": state or "closed", "forced": state is not None})
        return
    told = {"open": "is not asked any more", "closed": "is asked whatever happens", None: "is asked again"}
    more = f"; `headgate sources reset {name}` ends that" if state else ""
    console.print(f"{chosen.title} {told[state]}{more}", markup=False, highlight=False)
