"""A provider is away while real DAGs ask it: stub providers, on the stack of the drills of Airflow."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from random import Random

import yaml

from headgate import paths
from headgate.contract import load_contract
from headgate.contract.registry import apply_contract
from headgate.db import connect
from headgate.stack import stubs
from tests.conftest import Servers
from tests.faults.airflow import DrillStack, running_stack
from tests.faults.drill import Round, drill
from tests.faults.patience import until
from tests.stubs.host import Stubs

AWAY = 120.0  # seconds, or longer where two runs take longer
PROVIDER, CALLS = "barentswatch", "/locality/"
CALM, HURT = "drill_calm", "drill_hurt"  # the same questions; the provider is well while CALM asks them
WEEKS = {"from": "2023-01-02", "to": "2024-11-30"}  # 100 calls, which take 20 seconds at 5 a second


@dataclass
class Source:
    """Two datasets of one provider."""

    stack: DrillStack
    stubs: Stubs

    def run(self, dataset: str) -> str | None:
        """A whole run of these weeks; what it says is missing."""
        return self.finish(dataset, self.stack.api.trigger(dataset, WEEKS))

    def finish(self, dataset: str, run_id: str) -> str | None:
        """The end of a run, which must be a success; what it says is missing."""
        until(lambda: self.stack.api.dag_run(dataset, run_id).finished, f"a run of {dataset} ends", 600)
        [(state, reason)] = self.stack.sql(
            "SELECT state, reason FROM headgate.books_run WHERE (dataset, dag_run_id) = (%s, %s)",
            dataset,
            run_id,
        )
        assert state == "success", f"a run of {dataset} ended as {state}: {reason}"
        return str(reason) if reason else None

    def events(self) -> list[str]:
        """What was told of the provider, in its order."""
        found = self.stack.sql("SELECT kind FROM headgate.event WHERE kind LIKE 'source.%' ORDER BY number")
        return [kind for (kind,) in found]

    def alerts(self) -> list[str]:
        """Their states."""
        found = self.stack.sql("SELECT state FROM headgate.alert WHERE kind = 'source.opened'")
        return [state for (state,) in found]

    def close(self) -> list[str]:
        return []


@contextmanager
def open_source(_: Servers, name: str) -> Iterator[Source]:
    """The two datasets on the running stack, which asks stubs without faults."""
    stack = running_stack()
    for dataset in (CALM, HURT):
        copy_dataset(stack, dataset)
    for dataset in (CALM, HURT):
        stack.api.wait_for_dag(dataset)
        stack.api.unpause(dataset)
    with closing(Stubs(stubs.address(stack.ports))) as providers:
        yield Source(stack, providers)


def copy_dataset(stack: DrillStack, dataset: str) -> None:
    """A dataset of its own with the terms of `fish_health`, without its schedule."""
    document = yaml.safe_load((paths.datasets_dir() / "fish_health.yaml").read_bytes())
    document |= {"id": dataset, "name": dataset, "slaProperties": []}
    document["servers"][0]["location"] = f"s3://headgate-landing/{dataset}/"
    document["schema"][0] |= {"name": dataset, "physicalName": f"lab.{dataset}"}
    suites = stack.dags.parent / "expectations"
    shutil.copy(paths.expectations_dir() / "fish_health.json", suites / f"{dataset}.json")
    contract = stack.dags / "datasets" / f"{dataset}.yaml"
    contract.write_text(yaml.safe_dump(document))
    with closing(connect(stack.settings.require("owner_url"))) as conn:
        apply_contract(conn, load_contract(contract))


@drill("source-away-two-minutes", times=1, ground=open_source, apart=True)
def source_away(source: Source, rng: Random) -> Round:
    """A provider answers nothing but 503 for two minutes in the middle of a run that asks it, after its token
    has ended and one of its answers broke off in mid-body. The runs of that time succeed with what is landed,
    later ones fetch the rest; one alert opens and is resolved. Recover: from the provider's return to the end
    of the run that has everything."""
    source.stubs.reset()
    source.run(CALM)
    source.stubs.reset()
    for kind in ("401", "cut"):
        source.stubs.do("fault", provider=PROVIDER, kind=kind, match=CALLS, after=rng.randrange(20))
    run_id = source.stack.api.trigger(HURT, WEEKS)
    asked = rng.randrange(30, 50)
    until(lambda: len(source.stubs.calls(PROVIDER, CALLS)) >= asked, f"{asked} calls")
    source.stubs.do("down", provider=PROVIDER, seconds=3600)
    begun = time.monotonic()
    missing = [source.finish(HURT, run_id), source.run(HURT)]
    until(lambda: source.alerts() == ["open"], "one alert is open")
    time.sleep(max(0.0, begun + AWAY - time.monotonic()))
    source.stubs.do("down", provider=PROVIDER, seconds=0)
    back = time.monotonic()
    until(lambda: source.run(HURT) is None, "a run that has everything", 600)
    recover = time.monotonic() - back
    until(lambda: source.alerts() == ["resolved"], "the alert is resolved")
    return (
        check(source, recover)
        .unless("runs without the provider say nothing is missing", all(missing))
        .unless("a fault was not met", not source.stubs.waiting(PROVIDER))
        .unless(f"told: {source.events()}", source.events() == ["source.opened", "source.closed"])
    )


def check(source: Source, recover: float) -> Round:
    """Both tables hold the same rows, and each row that came was counted once."""
    [(rows_in, lost, doubled)] = source.stack.sql(COMPARED)
    [(accounted, balanced)] = source.stack.sql(BOOKS, HURT)
    return Round(
        rows_in=rows_in,
        accounted=accounted,
        lost=max(lost, rows_in - accounted),
        doubled=max(doubled, accounted - rows_in),
        recover=recover,
    ).unless("the books do not balance", balanced)


COMPARED = f"""
WITH own (names) AS (VALUES ('{{_object_id,_row_number,_object_version,_loaded_at}}'::text[])),
wanted AS (SELECT to_jsonb(t) - names AS found FROM lab.{CALM} AS t, own),
found AS (SELECT to_jsonb(t) - names AS found FROM lab.{HURT} AS t, own)
SELECT
    (SELECT count(*) FROM wanted),
    (SELECT count(*) FROM (TABLE wanted EXCEPT ALL TABLE found) AS lost),
    (SELECT count(*) FROM (TABLE found EXCEPT ALL TABLE wanted) AS too_many)
"""
BOOKS = """
SELECT sum(inserted + updated + unchanged + superseded + quarantined)::bigint, bool_and(balanced)
FROM headgate.books_run WHERE dataset = %s
"""
