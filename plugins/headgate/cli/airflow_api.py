"""Airflow's public API v2, as far as the command line needs it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from headgate.errors import Fatal, Retriable
from headgate.patience import Pauses

if TYPE_CHECKING:
    import httpx

    from headgate.settings import Settings

START = "Start the stack with `headgate up`, or set HEADGATE_AIRFLOW_URL."
FINISHED = frozenset({"success", "failed"})


@dataclass(frozen=True)
class DagRun:
    """A run as Airflow knows it."""

    dag_run_id: str
    state: str  # queued, running, success, failed

    @property
    def finished(self) -> bool:
        """Whether its state will not change any more by itself."""
        return self.state in FINISHED


class Airflow:
    """A logged-in client. Raises ``Retriable`` when Airflow is away, ``Fatal`` when it refuses.

    ``patience``: seconds that a question is asked again while Airflow is away; commands are not repeated.
    """

    patience = 0.0

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url.rstrip("/")
        self._user, self._password = user, password
        self._client: httpx.Client | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Airflow:
        """The Airflow that the settings name."""
        return cls(
            settings.require("airflow_url"),
            settings.require("airflow_user"),
            settings.require("airflow_password"),
        )

    def wait_for_dag(self, dag_id: str, *, seconds: float = 60.0) -> None:
        """Return when Airflow has parsed the DAG; ``Fatal`` when it has not after ``seconds``."""
        deadline = time.monotonic() + seconds
        while self._get(f"/dags/{dag_id}", missing_ok=True) is None:
            if time.monotonic() > deadline:
                raise Fatal(
                    f"Airflow at {self.url} has no DAG {dag_id!r}. Look for import errors on its first page, "
                    "or ask `headgate doctor`."
                )
            time.sleep(0.5)

    def unpause(self, dag_id: str) -> None:
        """Let the DAG's runs start."""
        self._request("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def unfinished(self, dag_id: str) -> list[DagRun]:
        """Runs that are queued or running."""
        query = {"state": ["queued", "running"], "limit": "50"}
        return [_dag_run(entry) for entry in self._get(f"/dags/{dag_id}/dagRuns", params=query)["dag_runs"]]

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Start a run; its id."""
        made = self._request(
            "POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": dict(conf)}
        )
        return str(made["dag_run_id"])

    def dag_run(self, dag_id: str, dag_run_id: str) -> DagRun:
        """One run as it is now."""
        return _dag_run(self._get(f"/dags/{dag_id}/dagRuns/{_path(dag_run_id)}"))

    def failure(self, dag_id: str, dag_run_id: str) -> str | None:
        """What the first task that failed by itself says, for a run that left nothing in the ledger."""
        base = f"/dags/{dag_id}/dagRuns/{_path(dag_run_id)}/taskInstances"
        tasks = self._get(base)["task_instances"]
        failed = sorted((t for t in tasks if t["state"] == "failed"), key=lambda t: t["end_date"] or "")
        for entry in failed:
            log = self._request(
                "GET", f"{base}/{entry['task_id']}/logs/{entry['try_number']}", missing_ok=True
            )
            if said := _said(log):
                return f"{entry['task_id']}: {said}"
        return f"{failed[0]['task_id']} failed; see its log in Airflow" if failed else None

    def periods(self, dag_id: str, start: datetime, end: datetime) -> list[datetime]:
        """Beginnings of the periods whose runs were due between two moments."""
        listed = self._request("POST", "/backfills/dry_run", json=_backfill(dag_id, start, end))
        return [datetime.fromisoformat(entry["logical_date"]) for entry in listed["backfills"]]

    def backfill(self, dag_id: str, start: datetime, end: datetime) -> int:
        """Start runs for all periods due between two moments, also for those that had one; its id."""
        return int(self._request("POST", "/backfills", json=_backfill(dag_id, start, end))["id"])

    def backfill_is_done(self, backfill_id: int) -> bool:
        """Whether Airflow has closed the backfill."""
        return self._get(f"/backfills/{backfill_id}")["completed_at"] is not None

    def run_of_period(self, dag_id: str, period: datetime) -> DagRun | None:
        """The run of the period that begins at this moment, None when there is none yet."""
        moment = period.isoformat()
        query = {"logical_date_gte": moment, "logical_date_lte": moment}
        found = self._get(f"/dags/{dag_id}/dagRuns", params=query)["dag_runs"]
        return _dag_run(found[0]) if found else None

    def _get(self, path: str, **arguments: Any) -> Any:
        pauses = Pauses(self.patience)
        while True:
            try:
                return self._request("GET", path, **arguments)
            except Retriable:
                if not pauses.wait():
                    raise

    def _request(self, method: str, path: str, *, missing_ok: bool = False, **arguments: Any) -> Any:
        import httpx

        try:
            answer = self._logged_in().request(method, f"/api/v2{path}", **arguments)
        except httpx.TransportError as error:
            raise Retriable(
                f"Airflow at {self.url} does not answer ({type(error).__name__}). {START}"
            ) from error
        if answer.status_code == 404 and missing_ok:
            return None
        if answer.status_code >= 500:
            raise Retriable(f"Airflow at {self.url} answered HTTP {answer.status_code} for {path}")
        if answer.is_error:
            raise Fatal(f"Airflow refused {method} {path}: HTTP {answer.status_code}: {_detail(answer)}")
        return answer.json()

    def _logged_in(self) -> httpx.Client:
        if self._client is None:
            import httpx

            client = httpx.Client(base_url=self.url, timeout=httpx.Timeout(30.0, connect=5.0))
            answer = client.post("/auth/token", json={"username": self._user, "password": self._password})
            if answer.status_code in (401, 403):
                raise Fatal(
                    f"Airflow at {self.url} does not accept the user {self._user!r}. "
                    "Check HEADGATE_AIRFLOW_USER and HEADGATE_AIRFLOW_PASSWORD."
                )
            if answer.is_error:
                raise Retriable(
                    f"Airflow at {self.url} answered HTTP {answer.status_code} to the login. {START}"
                )
            client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            self._client = client
        return self._client


def _backfill(dag_id: str, start: datetime, end: datetime) -> dict[str, Any]:
    return {
        "dag_id": dag_id,
        "from_date": start.isoformat(),
        "to_date": end.isoformat(),
        "reprocess_behavior": "completed",
        "max_active_runs": 1,
        "dag_run_conf": {},
    }


def _dag_run(entry: Mapping[str, Any]) -> DagRun:
    return DagRun(dag_run_id=entry["dag_run_id"], state=entry["state"])


def _path(part: str) -> str:
    from urllib.parse import quote

    return quote(part, safe="")


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("detail", answer.text))[:500]
    except ValueError:
        return answer.text[:500]


def _said(log: Mapping[str, Any] | None) -> str | None:
    """The message of the last exception in a task's log."""
    details = [line["error_detail"] for line in (log or {}).get("content", []) if line.get("error_detail")]
    return str(details[-1][0].get("exc_value")) if details and details[-1] else None
