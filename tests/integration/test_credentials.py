"""Credentials that are rotated while consumers run: they wait, say so, and take up the new ones."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import with_login
from tests.integration.lab import Lab, many
from tests.polling import eventually


@dataclass
class Logins:
    """A role of Postgres and a user of the broker of the test's own, whose passwords may be changed."""

    lab: Lab
    name: str

    def change(self, password: str) -> dict[str, str]:
        """Set this password in both servers and cut what is connected by the old one; the settings now."""
        self.lab.sql(f"ALTER ROLE {self.name} PASSWORD '{password}'")
        self.lab.broker.set_password(self.name, password)
        self.lab.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", self.name)
        self.lab.drop_broker_connections()
        return {
            "HEADGATE_LOADER_URL": with_login(self.lab.database.loader_url, self.name, password),
            "HEADGATE_AMQP_URL": with_login(self.lab.broker.url, self.name, password),
        }


@pytest.fixture
def logins(lab: Lab) -> Iterator[Logins]:
    made = Logins(lab, f"rotating_{lab.broker.vhost}")
    lab.sql(f"CREATE ROLE {made.name} LOGIN IN ROLE headgate_loader")
    with lab.broker.user(made.name, "x"):
        yield made
    lab.sql(f"DROP ROLE {made.name}")


def as_file(home: Path, settings: dict[str, str]) -> None:
    """``headgate.env``, replaced at once."""
    draft = home / "draft"
    draft.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    draft.rename(home / "headgate.env")


def as_secrets(home: Path, settings: dict[str, str]) -> None:
    """A file a setting, as orchestrators mount them."""
    for name, value in settings.items():
        (home / name).write_text(value)


@contextmanager
def running(kind: str, home: Path) -> Iterator[Path]:
    """A consumer that gets its URLs from the home; its log. It must end as told."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
    environment |= {"HEADGATE_HOME": str(home), "HEADGATE_SECRETS_DIR": str(home)}
    environment |= {"HEADGATE_LOG_FORMAT": "json"}
    log = home / f"{kind}.log"
    with open(log, "wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "consumers.app", kind], env=environment, stderr=file
        )
        try:
            yield log
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("write", [as_file, as_secrets])
def test_rotated_credentials_are_taken_up_without_a_restart(
    logins: Logins, tmp_path: Path, write: Callable[[Path, dict[str, str]], None]
) -> None:
    lab, thing = logins.lab, logins.lab.thing("a.csv", 1)
    write(tmp_path, logins.change("hushed-one"))
    with running("database", tmp_path) as database, running("error", tmp_path) as error:
        lab.send(lab.batch(thing, many(1)))
        eventually(lambda: len(lab.rows()) == 1)
        eventually(lambda: "reading" in error.read_text())

        fresh = logins.change("hushed-two")
        lab.send(lab.batch(thing, many(1, start=1), first=2, batch=1))
        for log in (database, error):
            eventually(lambda log=log: "refuse" in log.read_text())
        assert len(lab.rows()) == 1

        write(tmp_path, fresh)
        eventually(lambda: len(lab.rows()) == 2)
        lab.send(dataclasses.replace(lab.batch(thing, many(1), batch=2), rows=5))
        eventually(lambda: lab.sql("SELECT cause FROM headgate.error") == [("row_count",)])
        assert "hushed" not in database.read_text() + error.read_text()
