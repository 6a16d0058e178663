"""scan: which object versions in the landing bucket are new? The ledger is the only memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from headgate import ledger
from headgate.contract import Contract
from headgate.contract.registry import registered
from headgate.errors import DataError, Fatal
from headgate.ledger import Run
from headgate.listing import StoredObject
from headgate.quarantine import flush_replays
from headgate.steps.contracts import file_digest
from headgate.steps.services import Services

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

log = structlog.get_logger("headgate.steps.scan")


@dataclass(frozen=True)
class Params:
    """What a person asked of a run. ``objects``: keys, with or without the contract's prefix.

    ``start`` and ``end``: days or moments, UTC, that an API source is asked for; ``refetch``: also what is
    landed for good.
    """

    objects: tuple[str, ...] = ()
    prefix: str = ""
    reload: bool = False
    accept_rejects: bool = False
    accept_removals: bool = False
    dry_run: bool = False
    start: str = ""
    end: str = ""
    refetch: bool = False

    @classmethod
    def of(cls, values: dict[str, Any]) -> Params:
        """From the form of the DAG or from the ledger; unknown fields are ignored."""
        return cls(
            objects=tuple(values.get("objects") or ()),
            prefix=values.get("prefix") or "",
            reload=bool(values.get("reload")),
            accept_rejects=bool(values.get("accept_rejects")),
            accept_removals=bool(values.get("accept_removals")),
            dry_run=bool(values.get("dry_run")),
            start=values.get("from") or values.get("start") or "",
            end=values.get("to") or values.get("end") or "",
            refetch=bool(values.get("refetch")),
        )


@dataclass(frozen=True)
class Request:
    """A run that is about to start.

    With an interval a file dataset takes only objects that arrived in it; an API source is asked for it, and
    takes all that is new.
    """

    dataset: str
    dag_run_id: str
    contract_sha256: str  # of the contract file that the DAG was built from
    kind: str = "manual"
    params: Params = Params()
    interval: tuple[datetime, datetime] | None = None  # [start, end)
    asked_at: datetime = field(default_factory=partial(datetime.now, UTC))  # the same for all its tries


def scan(services: Services, request: Request, *, is_alive: Callable[[str], bool]) -> Run:
    """Open the run, enter what is new, adopt what dead runs left; ``is_alive`` asks Airflow by its run id.

    Raises ``Fatal`` when the contract was not applied or the bucket is missing, ``DataError`` when an
    object that was named is not there.
    """
    contract, version = applied_contract(services, request)
    run = open_run(services, request, version)
    services.ledger(flush_replays, services.store, request.dataset)
    found = record_new(services, run, contract, request)
    adopted = adopt(services, run, is_alive)
    log.info("scanned", run_id=run.run_id, bucket=contract.bucket, new=found, adopted=adopted)
    return run


def applied_contract(services: Services, request: Request) -> tuple[Contract, int]:
    """The registered contract and its number; it must be the one that the DAG was built from."""
    contract, version = services.ledger(registered, request.dataset)
    if file_digest(contract) != request.contract_sha256:
        raise Fatal(
            f"the contract file of {request.dataset} is not the one that was applied to the database. "
            "Run `headgate contract apply`, then the DAG again."
        )
    return contract, version


def open_run(services: Services, request: Request, version: int) -> Run:
    """The ledger's row of this run; a retried task finds its own."""
    start, end = request.interval or (None, None)
    return services.ledger(
        ledger.open_run,
        dataset=request.dataset,
        dag_run_id=request.dag_run_id,
        contract_version=version,
        kind=request.kind,
        params=asdict(request.params),
        interval_start=start,
        interval_end=end,
    )


def record_new(services: Services, run: Run, contract: Contract, request: Request) -> int:
    """Enter new object versions into the ledger; how many."""

    def record(conn: Connection) -> int:
        return ledger.record_objects(
            conn,
            run,
            contract.bucket,
            listing(services, contract, request),
            reload=request.params.reload,
            named=bool(request.params.objects),
            accept_rejects=request.params.accept_rejects,
        )

    return services.ledger(record)


def listing(services: Services, contract: Contract, request: Request) -> Iterator[StoredObject]:
    """What the store lists, as far as the run asks for it.

    What was fetched arrives when it is fetched, whatever interval it is of: of that no run leaves anything.
    """
    interval = request.interval if contract.source is None else None
    for stored in _stored(services, contract, request.params):
        if interval is None or interval[0] <= stored.last_modified < interval[1]:
            yield stored


def _stored(services: Services, contract: Contract, params: Params) -> Iterable[StoredObject]:
    if not params.objects:
        return services.store.listing(contract.bucket, contract.prefix + params.prefix)
    keys = sorted({with_prefix(contract, key) for key in params.objects})
    return (
        _exactly(services, contract.bucket, key)
        for key in keys
        if key.startswith(contract.prefix + params.prefix)
    )


def with_prefix(contract: Contract, key: str) -> str:
    """A key as a person names it: with the dataset's prefix or without."""
    return key if key.startswith(contract.prefix) else contract.prefix + key


def _exactly(services: Services, bucket: str, key: str) -> StoredObject:
    """One object by its listing: only that has the time of arrival to the fraction of a second."""
    for stored in services.store.listing(bucket, key):
        if stored.key == key:
            return stored
    raise DataError(f"there is no object {key} in bucket {bucket}. `headgate put` brings files there.")


def adopt(services: Services, run: Run, is_alive: Callable[[str], bool]) -> int:
    """Take over unfinished objects of the dataset's other runs that are not running any more."""
    others = services.ledger(ledger.running_runs, run)
    dead = [run_id for run_id, dag_run_id in others if not is_alive(dag_run_id)]
    return services.ledger(ledger.adopt_objects, run, dead)
