"""Real servers for the tests: one private set a test home, a fresh database, vhost and buckets a test.

Sessions that run side by side share the servers; the last one ends them (not where
``HEADGATE_TEST_KEEP`` is set, which saves the start on the next call). With
``HEADGATE_TEST_SERVERS=running`` somebody else starts and ends them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from headgate import paths
from headgate.settings import Settings
from headgate.settings import settings as process_settings
from headgate.stack import Part, Stack, connections, objectstore, postgres, rabbitmq
from headgate.stack.ports import Ports
from headgate.stack.secrets import Secrets

if TYPE_CHECKING:
    import httpx
    from minio import Minio

    from tests.stubs.host import Stubs

CHECKOUT = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    """Tables are as wide in a worker as elsewhere: what starts it has GNU readline, which sets COLUMNS."""
    os.environ.pop("COLUMNS", None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests side by side (``-n``): a file's stay together, and those with an Airflow of their own."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            scope: str = super()._split_scope(nodeid)
            return "acceptance" if scope.startswith("tests/acceptance/") else scope

    config.option.loadscopereorder = False  # those that take longest come first as it is
    return Scheduling(config, log)


@pytest.fixture(autouse=True)
def _logs_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that is called in this process leaves no logger behind that writes to its closed stream."""
    monkeypatch.setattr("headgate.logs.configure", lambda *given, **named: None)


@pytest.fixture(scope="session")
def egrid() -> Path:
    """Folder of real EPA files and their true totals, no part of the project; skips where it is absent."""
    return shared_data("egrid")


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Folder of answers that providers gave, no part of the project; skips where it is absent."""
    return shared_data("api")


def shared_data(name: str) -> Path:
    """A folder of real data beside the checkout, or of ``HEADGATE_SHARED``."""
    folder = Path(os.environ.get("HEADGATE_SHARED", CHECKOUT.parent / "shared")) / "data" / name
    if not folder.is_dir():
        pytest.skip(f"no {folder}; HEADGATE_SHARED names another place")
    return folder


@pytest.fixture(scope="session")
def stub_host() -> Iterator[Stubs]:
    """The stub providers as a process, one for all tests of the session."""
    from tests.stubs.host import running_stubs

    with running_stubs() as running:
        yield running


@pytest.fixture
def stubs(stub_host: Stubs) -> Stubs:
    """The stub providers in a new world: the true date, no faults, no calls; ``reset`` gives another date."""
    stub_host.reset()
    return stub_host


@dataclass(frozen=True)
class Servers:
    """The running private servers of the test home."""

    stack: Stack
    ports: Ports
    secrets: Secrets

    @property
    def home(self) -> Path:
        return self.stack.layout.home

    def admin_url(self, database: str = "postgres") -> str:
        return postgres.admin_url(self.ports, self.secrets, database)

    def rabbitmqctl(self, *arguments: str) -> None:
        """The broker's own command line."""
        program = rabbitmq.require_server_script().with_name("rabbitmqctl")
        node = rabbitmq.node_environment(self.stack.layout, self.ports)
        subprocess.run(
            [program, *arguments], env=os.environ | node, check=True, capture_output=True, timeout=180
        )


@dataclass(frozen=True)
class Database:
    """One test's own database, migrated, with a URL for each role."""

    name: str
    owner_url: str
    loader_url: str
    pipeline_url: str
    reader_url: str
    admin_url: str


@dataclass(frozen=True)
class Broker:
    """One test's own virtual host. ``api_url`` holds the credentials, too."""

    vhost: str
    url: str
    api_url: str

    def api(self) -> httpx.Client:
        """The management API."""
        import httpx

        return httpx.Client(base_url=self.api_url, trust_env=False, timeout=60)

    @contextmanager
    def user(self, name: str, password: str, rights: Sequence[str] = (".*", ".*", ".*")) -> Iterator[str]:
        """Another user, who may configure, write and read such names; the URL with their login."""
        with self.api() as api:
            self.set_password(name, password)
            permissions = dict(zip(("configure", "write", "read"), rights, strict=True))
            api.put(f"/api/permissions/{self.vhost}/{name}", json=permissions).raise_for_status()
            yield with_login(self.url, name, password)
            api.delete(f"/api/users/{name}").raise_for_status()

    def set_password(self, user: str, password: str) -> None:
        """Make the user where there is none."""
        with self.api() as api:
            api.put(f"/api/users/{user}", json={"password": password, "tags": ""}).raise_for_status()


@dataclass(frozen=True)
class Buckets:
    """One test's own buckets, and a client that may do everything in them."""

    landing: str
    staging: str
    endpoint: str
    access_key: str
    secret_key: str
    region: str
    client: Minio


@dataclass(frozen=True)
class Environment:
    """A database, a virtual host and buckets; their settings as an object and as variables for programs."""

    database: Database
    broker: Broker
    buckets: Buckets
    variables: dict[str, str]
    settings: Settings


def with_login(url: str, user: str, password: str) -> str:
    """The URL of the same server for somebody else."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{parts.port}"))


def test_home() -> Path:
    """One for each worker of pytest-xdist: what a test does to its servers disturbs no other test."""
    home = Path(os.environ.get("HEADGATE_TEST_HOME") or CHECKOUT / ".headgate" / "test")
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    return home.with_name(f"{home.name}-{worker}") if worker else home


@contextmanager
def in_use(stack: Stack) -> Iterator[None]:
    """Tell other sessions that we use the servers, and start and end them in turn."""
    home = stack.layout.home
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "users.lock", "w") as users, open(home / "turn.lock", "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        stack.up(Part.SERVERS)
        fcntl.flock(turn, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(turn, fcntl.LOCK_EX)
            if is_last(users) and not os.environ.get("HEADGATE_TEST_KEEP"):
                stack.down()


def is_last(users: Any) -> bool:
    """Whether no other session holds the servers."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """PostgreSQL, RabbitMQ and S3, started by the stack that users start."""
    stack = Stack(test_home())
    with nullcontext() if os.environ.get("HEADGATE_TEST_SERVERS") == "running" else in_use(stack):
        postgres.make_databases(stack.ports, stack.secrets)
        made = Servers(stack, stack.ports, stack.secrets)
        # Each test makes a database and drops it; none has to outlive the machine.
        admin(made, "ALTER SYSTEM SET fsync = off")
        admin(made, "SELECT pg_reload_conf()")
        yield made


@pytest.fixture(scope="session")
def template(servers: Servers) -> str:
    """See ``migrated_template``."""
    return migrated_template(servers)


def migrated_template(servers: Servers) -> str:
    """A migrated database to clone from, named by the migrations' content and made once for all sessions."""
    from headgate.db import migrate

    name = f"template_{sql_fingerprint()}"
    with open(servers.home / "template.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not admin(servers, "SELECT 1 FROM pg_database WHERE datname = %s", (name,)):
            draft = f"draft_{uuid.uuid4().hex[:12]}"
            admin(servers, f"CREATE DATABASE {draft} OWNER headgate_owner")
            urls = connections.database_urls(servers.ports, servers.secrets, draft)
            migrate(urls["HEADGATE_OWNER_URL"], servers.secrets.roles)
            admin(servers, f"ALTER DATABASE {draft} RENAME TO {name}")
    return name


def sql_fingerprint() -> str:
    """Short hash of all that makes the schema."""
    digest = hashlib.sha256((paths.PACKAGE / "db.py").read_bytes())
    for path in sorted(paths.sql_dir().rglob("*.sql")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def admin(servers: Servers, statement: str, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Run one statement as the superuser; its rows."""
    import psycopg2

    connection = psycopg2.connect(servers.admin_url())
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, arguments)
            return list(cursor.fetchall()) if cursor.description is not None else []
    finally:
        connection.close()


@contextmanager
def fresh_database(servers: Servers, template: str) -> Iterator[Database]:
    """A migrated database of its own, dropped at the end."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin(servers, f"CREATE DATABASE {name} TEMPLATE {template} OWNER headgate_owner STRATEGY file_copy")
    urls = connections.database_urls(servers.ports, servers.secrets, name)
    yield Database(
        name=name,
        owner_url=urls["HEADGATE_OWNER_URL"],
        loader_url=urls["HEADGATE_LOADER_URL"],
        pipeline_url=urls["HEADGATE_DATABASE_URL"],
        reader_url=urls["HEADGATE_READER_URL"],
        admin_url=servers.admin_url(name),
    )
    admin(servers, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(servers: Servers, template: str) -> Iterator[Database]:
    """A fresh migrated database."""
    with fresh_database(servers, template) as made:
        yield made


@contextmanager
def fresh_broker(servers: Servers) -> Iterator[Broker]:
    """A virtual host of its own, removed at the end."""
    import httpx

    vhost = f"test_{uuid.uuid4().hex[:12]}"
    api_url = rabbitmq.api_url_with_login(servers.ports, servers.secrets)
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    with httpx.Client(base_url=api_url, trust_env=False, timeout=60) as api:
        api.put(f"/api/vhosts/{vhost}").raise_for_status()
        api.put(f"/api/permissions/{vhost}/{rabbitmq.USER}", json=everything).raise_for_status()
        yield Broker(vhost, rabbitmq.amqp_url(servers.ports, servers.secrets, vhost), api_url)
        api.delete(f"/api/vhosts/{vhost}").raise_for_status()


@pytest.fixture
def broker(servers: Servers) -> Iterator[Broker]:
    """A fresh virtual host."""
    with fresh_broker(servers) as made:
        yield made


@contextmanager
def fresh_buckets(servers: Servers) -> Iterator[Buckets]:
    """Buckets of their own, removed at the end with what is in them."""
    from minio import Minio

    mark = uuid.uuid4().hex[:12]
    made = Buckets(
        landing=f"landing-{mark}",
        staging=f"staging-{mark}",
        endpoint=objectstore.endpoint(servers.ports),
        access_key=servers.secrets.s3_access_key,
        secret_key=servers.secrets.s3_secret_key,
        region=objectstore.REGION,
        client=Minio(
            objectstore.endpoint(servers.ports).removeprefix("http://"),
            access_key=servers.secrets.s3_access_key,
            secret_key=servers.secrets.s3_secret_key,
            region=objectstore.REGION,
            secure=False,
        ),
    )
    names = (made.landing, made.staging)
    for name in names:
        made.client.make_bucket(bucket_name=name)
    yield made
    for name in names:  # not by requests: a killed server may leave an empty folder, which no listing shows
        shutil.rmtree(servers.stack.layout.buckets / name, ignore_errors=True)


@pytest.fixture
def buckets(servers: Servers) -> Iterator[Buckets]:
    """Fresh landing and staging buckets."""
    with fresh_buckets(servers) as made:
        yield made


@contextmanager
def in_environment(database: Database, broker: Broker, buckets: Buckets, home: Path) -> Iterator[Environment]:
    """``HEADGATE_*`` set for this process and for the programs it starts."""
    variables = {
        "HEADGATE_HOME": str(home),
        "HEADGATE_OWNER_URL": database.owner_url,
        "HEADGATE_DATABASE_URL": database.pipeline_url,
        "HEADGATE_LOADER_URL": database.loader_url,
        "HEADGATE_READER_URL": database.reader_url,
        "HEADGATE_AMQP_URL": broker.url,
        "HEADGATE_RABBITMQ_API_URL": broker.api_url,
        "HEADGATE_S3_ENDPOINT": buckets.endpoint,
        "HEADGATE_S3_ACCESS_KEY": buckets.access_key,
        "HEADGATE_S3_SECRET_KEY": buckets.secret_key,
        "HEADGATE_S3_REGION": buckets.region,
        "HEADGATE_STAGING_BUCKET": buckets.staging,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        process_settings.cache_clear()
        yield Environment(database, broker, buckets, variables, process_settings())
    process_settings.cache_clear()


@pytest.fixture
def environment(
    database: Database, broker: Broker, buckets: Buckets, tmp_path: Path
) -> Iterator[Environment]:
    """All of them, with ``HEADGATE_*`` set for this process and for the programs it starts."""
    with in_environment(database, broker, buckets, tmp_path / "home") as made:
        yield made


@pytest.fixture(scope="module")
def shared_environment(
    servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Environment]:
    """One environment for all tests of a module: where many look at what one run did."""
    with (
        fresh_database(servers, template) as database,
        fresh_broker(servers) as broker,
        fresh_buckets(servers) as buckets,
        in_environment(database, broker, buckets, tmp_path_factory.mktemp("shared") / "home") as made,
    ):
        yield made
