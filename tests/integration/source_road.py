"""The road of an API dataset of the project: fetch from a server, then all steps that files go through."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import yaml

from headgate.books import RunBooks
from headgate.contract import contract_from_document
from headgate.contract.registry import apply_contract
from headgate.db import connect
from headgate.ledger import Run
from headgate.paths import datasets_dir
from headgate.steps.fetch import fetch, plan
from headgate.steps.report import report
from headgate.steps.scan import Params, Request, scan
from headgate.steps.services import Services
from tests.conftest import Environment
from tests.integration.road import Road


@dataclass
class SourceRoad(Road):
    """``run`` fetches what the run asks for, lands and loads it."""

    def fetched(self, first: date | None = None, last: date | None = None, **params: Any) -> Run:
        """Plan, fetch and scan of a run for the days from ``first`` to ``last``, both included."""
        self.runs += 1
        request = Request(
            dataset=self.contract.dataset,
            dag_run_id=f"test__{self.runs}",
            contract_sha256=self.contract.sha256,
            params=Params(start=str(first or ""), end=str(last or ""), **params),
        )
        for share in plan(self.services, request, is_alive=self.alive.__contains__):
            fetch(self.services, share)
        return scan(self.services, request, is_alive=self.alive.__contains__)

    def landed(self) -> dict[str, bytes]:
        """The bodies in the landing bucket, as the provider sent them, by the end of their key."""
        store, prefix = self.services.store, self.contract.prefix
        return {
            stored.key.removeprefix(prefix): gzip.decompress(store.read(self.bucket, stored.key))
            for stored in store.listing(self.bucket, prefix)
        }

    def load(self, first: date | None = None, last: date | None = None, **params: Any) -> RunBooks:
        """A whole run."""
        run = self.fetched(first, last, **params)
        self.publish(run, self.audit(run))
        return report(self.services, run)


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

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = next((body for part, body in bodies.items() if part and part in self.path), bodies[""])
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
