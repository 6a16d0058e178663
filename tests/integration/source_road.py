"""The road of an API dataset of the project: fetch from a server, then all steps that files go through."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import yaml

from headgate.books import RunBooks
from headgate.contract import contract_from_document
from headgate.contract.registry import apply_contract
from headgate.db import connect
from headgate.ledger import Run
from headgate.paths import datasets_dir
from headgate.steps.fetch import fetch, plan
from headgate.steps.lanes import Share
from headgate.steps.report import report
from headgate.steps.scan import Params, Request, scan
from headgate.steps.services import Services
from tests.conftest import Environment
from tests.integration.misbehaving import Reply, Seen, answering
from tests.integration.road import Road

Day = date | str


@dataclass
class SourceRoad(Road):
    """A run plans what it asks for, fetches and lands it, and loads it, as ``kind`` and for ``interval``."""

    kind: str = "manual"
    interval: tuple[datetime, datetime] | None = None

    def request(self, first: Day | None = None, last: Day | None = None, **params: Any) -> Request:
        """A new run, for the days from ``first`` to ``last``, both included."""
        self.runs += 1
        return Request(
            dataset=self.contract.dataset,
            dag_run_id=f"test__{self.runs}",
            contract_sha256=self.contract.sha256,
            kind=self.kind,
            params=Params(start=str(first or ""), end=str(last or ""), **params),
            interval=self.interval,
        )

    def plan(self, request: Request) -> list[Share]:
        return plan(self.services, request, is_alive=self.alive.__contains__)

    def fetch(self, request: Request) -> None:
        for share in self.plan(request):
            fetch(self.services, share)

    def scan(self, request: Request) -> Run:
        return scan(self.services, request, is_alive=self.alive.__contains__)

    def finish(self, request: Request) -> RunBooks:
        """From scan to report."""
        run = self.scan(request)
        self.publish(run, self.audit(run))
        return report(self.services, run)

    def load(self, first: Day | None = None, last: Day | None = None, **params: Any) -> RunBooks:
        """A whole run."""
        request = self.request(first, last, **params)
        self.fetch(request)
        return self.finish(request)

    def landed(self) -> dict[str, bytes]:
        """The bodies in the landing bucket, as the provider sent them, by the end of their key."""
        store, prefix = self.services.store, self.contract.prefix
        return {
            stored.key.removeprefix(prefix): gzip.decompress(store.read(self.bucket, stored.key))
            for stored in store.listing(self.bucket, prefix)
        }


def make_source_road(
    environment: Environment, dataset: str, columns: Sequence[dict[str, Any]] | None = None, **source: Any
) -> SourceRoad:
    """Apply a contract of the project with the test's bucket, and with these terms of its source changed.

    ``columns`` take the place of its own. Who asks waits milliseconds before the next attempt.
    """
    document = yaml.safe_load((datasets_dir() / f"{dataset}.yaml").read_bytes())
    document["servers"][0]["location"] = f"s3://{environment.buckets.landing}/{dataset}/"
    for entry in document["customProperties"]:
        if entry["property"] == "source":
            entry["value"] |= {"since": "2010-01-01"} | source
    if columns is not None:
        document["schema"][0]["properties"] = list(columns)
        document["customProperties"] = [e for e in document["customProperties"] if e["property"] != "indexes"]
    contract = contract_from_document(document, dataset)
    with closing(connect(environment.database.owner_url)) as conn:
        apply_contract(conn, contract)
    settings = environment.settings.model_copy(update={"sources_backoff_seconds": 0.01})
    return SourceRoad(environment, contract, Services.of(settings, patience=5.0))


@contextmanager
def serving(bodies: Mapping[str, bytes], content_type: str = "application/json") -> Iterator[str]:
    """A server of recorded answers by a part of path and query; its address. "" answers all others."""

    def answer(seen: Seen) -> Reply:
        body = next((body for part, body in bodies.items() if part and part in seen.target), bodies[""])
        return Reply(body, content_type=content_type)

    with answering(answer) as address:
        yield address
