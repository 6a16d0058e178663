"""Credentials are rotated on a server while everybody works with them; those who use them are told later."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from minio import Minio
from pydantic import SecretStr

from headgate.stack import objectstore
from headgate.stack.ports import HOST
from tests.conftest import Servers
from tests.faults.drill import Round, drill
from tests.faults.patience import until
from tests.faults.proxy import listener
from tests.faults.tasks import Tasks, begin, open_tasks


@dataclass
class Login:
    """``change`` makes a new password valid on the server, not the old one; ``tell`` gives it to those who
    log in."""

    tasks: Tasks
    change: Callable[[str], None]
    tell: Callable[[str], None]

    def close(self) -> list[str]:
        return self.tasks.close()


@contextmanager
def postgres_login(tasks: Tasks) -> Iterator[Login]:
    """Roles of the drill's own for tasks and consumers."""
    field, sql = tasks.field, tasks.field.sql
    loader, pipeline = (f"{kind}_{field.database.name}" for kind in ("loader", "pipeline"))
    sql(f"CREATE ROLE {loader} LOGIN IN ROLE headgate_loader")
    sql(f"CREATE ROLE {pipeline} LOGIN IN ROLE headgate_pipeline")

    def end_sessions() -> None:
        sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN (%s, %s)",
            loader,
            pipeline,
        )

    def change(password: str) -> None:
        for role in (loader, pipeline):
            sql(f"ALTER ROLE {role} PASSWORD %s", password)
        end_sessions()

    def tell(password: str) -> None:
        url = with_login(tasks.settings.require("database_url"), pipeline, password)
        tasks.settings = tasks.settings.model_copy(update={"database_url": SecretStr(url)})
        write(tasks, HEADGATE_LOADER_URL=with_login(field.database.loader_url, loader, password))

    yield Login(tasks, change, tell)
    for role in (loader, pipeline):
        sql(f"ALTER ROLE {role} NOLOGIN")
    end_sessions()
    sql(f"DROP ROLE {loader}, {pipeline}")


@contextmanager
def broker_login(tasks: Tasks) -> Iterator[Login]:
    """A user of the drill's own, for tasks and consumers."""
    vhost = user = tasks.field.broker.vhost
    everything = {"configure": ".*", "write": ".*", "read": ".*"}

    def change(password: str) -> None:
        with tasks.field.api() as api:
            api.put(f"/api/users/{user}", json={"password": password, "tags": ""}).raise_for_status()
            api.put(f"/api/permissions/{vhost}/{user}", json=everything).raise_for_status()
            for connection in api.get(f"/api/vhosts/{vhost}/connections").raise_for_status().json():
                api.delete(f"/api/connections/{connection['name']}")

    def tell(password: str) -> None:
        url = with_login(tasks.settings.require("amqp_url"), user, password)
        tasks.settings = tasks.settings.model_copy(update={"amqp_url": SecretStr(url)})
        write(tasks, HEADGATE_AMQP_URL=with_login(tasks.field.broker.url, user, password))

    yield Login(tasks, change, tell)
    with tasks.field.api() as api:
        api.delete(f"/api/users/{user}").raise_for_status()


@contextmanager
def store_login(tasks: Tasks) -> Iterator[Login]:
    """A store of the drill's own, which knows one key at a time and starts again with another."""
    servers, proxy = tasks.field.servers, tasks.proxies["task-store"]
    with listener(0) as free:
        port: int = free.getsockname()[1]
    folder = tasks.field.crew.logs / f"store-{port}"
    for bucket in (tasks.buckets.landing, tasks.buckets.staging):
        (folder / bucket).mkdir(parents=True)
    server: list[subprocess.Popen[bytes]] = []

    def change(password: str) -> None:
        while server:
            stop(server.pop())
        keys = replace(servers.secrets, s3_access_key=password, s3_secret_key=password)
        program = objectstore.program(servers.stack.layout, replace(servers.ports, s3=port), keys, {})
        command = [*program.command[:-1], str(folder)]
        environment = os.environ | program.environment
        server.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
        until(lambda: program.healthy() is None, "the store serves")
        proxy.target = (HOST, port)
        proxy.cut()

    def tell(password: str) -> None:
        keys = {"s3_access_key": password, "s3_secret_key": SecretStr(password)}
        tasks.settings = tasks.settings.model_copy(update=keys)
        client = Minio(f"{HOST}:{port}", password, password, region=objectstore.REGION, secure=False)
        tasks.buckets = replace(tasks.buckets, client=client)

    yield Login(tasks, change, tell)
    stop(server.pop())


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(60)


def with_login(url: str, user: str, password: str) -> str:
    """The URL with another login."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{user}:{password}@{parts.netloc.rpartition('@')[2]}").geturl()


def write(tasks: Tasks, **urls: str) -> None:
    """Put URLs into the consumers' settings file, whole or not at all, and out of their environment."""
    home = Path(tasks.field.crew.variables["HEADGATE_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    draft = home / "draft"
    draft.write_text("".join(f"{name}={url}\n" for name, url in urls.items()))
    draft.replace(home / "headgate.env")
    kept = {name: value for name, value in tasks.field.crew.variables.items() if name not in urls}
    tasks.field.crew.variables = kept


def drill_of(server: str, title: str, login: Callable[[Tasks], AbstractContextManager[Login]]) -> None:
    """Register the drill of a server."""

    @contextmanager
    def ground(servers: Servers, name: str) -> Iterator[Login]:
        with open_tasks(servers, name) as tasks, login(tasks) as made:
            made.change("first")
            made.tell("first")
            yield made

    def run(login: Login, rng: Random) -> Round:
        tasks, password = login.tasks, f"{rng.getrandbits(64):016x}"
        files = tasks.fresh_files(rng)
        going = begin(tasks, rng, f"task-{server}")
        login.change(password)
        time.sleep(0.5 + 2 * rng.random())
        login.tell(password)
        return tasks.settle(going, *files)

    run.__doc__ = (
        f"Passwords at {title} are changed and sessions ended in the middle of a run; tasks and consumers"
        " find the new ones in their settings seconds later. None of them is restarted."
    )
    drill(f"credentials-rotated-{server}", times=3, short=1 if server == "postgres" else 0, ground=ground)(
        run
    )


drill_of("postgres", "Postgres", postgres_login)
drill_of("broker", "RabbitMQ", broker_login)
drill_of("store", "the store", store_login)
