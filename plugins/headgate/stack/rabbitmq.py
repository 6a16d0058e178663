"""A private RabbitMQ node from the system's package, run straight from its library folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from headgate.errors import Fatal
from headgate.stack.health import http_answers, listens
from headgate.stack.layout import Layout, write_private
from headgate.stack.ports import HOST, Ports
from headgate.stack.programs import Program
from headgate.stack.secrets import Secrets

USER = VHOST = "headgate"
# Debian's `rabbitmq-server` on the PATH is a wrapper that wants the system's user; these are the real ones.
SCRIPTS = (
    "usr/lib/rabbitmq/bin/rabbitmq-server",
    "usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server",
    "opt/rabbitmq/sbin/rabbitmq-server",
    "usr/local/opt/rabbitmq/sbin/rabbitmq-server",
    "opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",
)
ROOT = Path("/")
CONFIG = """\
listeners.tcp.1 = {host}:{ports.rabbitmq}
management.tcp.ip = {host}
management.tcp.port = {ports.rabbitmq_api}
default_user = {user}
default_pass = {secrets.rabbitmq}
default_vhost = {vhost}
default_user_tags.administrator = true
default_permissions.configure = .*
default_permissions.read = .*
default_permissions.write = .*
log.console = true
log.console.level = info
log.file = false
"""
# For a small machine: the write-ahead log of quorum queues is also kept in memory, 512 MB of it by default.
TUNING = """\
vm_memory_high_watermark.absolute = 384MiB
disk_free_limit.absolute = 512MB
raft.wal_max_size_bytes = 33554432
"""


def server_script() -> Path | None:
    """The start script of the installed RabbitMQ, or nothing."""
    return next((path for pattern in SCRIPTS for path in sorted(ROOT.glob(pattern), reverse=True)), None)


def epmd_binary() -> str | None:
    """Erlang's port mapper, or nothing."""
    packaged = (str(path) for path in ROOT.glob("usr/lib/erlang/erts-*/bin/epmd"))
    return shutil.which("epmd") or next(packaged, None)


def require_server_script() -> Path:
    """The start script; ``Fatal`` with what to install where there is none."""
    script = server_script()
    if not script:
        raise Fatal(
            "RabbitMQ is not installed: as root `apt-get install rabbitmq-server` "
            "(or your system's package of that name), then start again"
        )
    return script


def epmd_program(layout: Layout, ports: Ports, environment: Mapping[str, str]) -> Program:
    """Erlang's port mapper, one of our own, so that the machine's is neither needed nor met."""
    epmd = epmd_binary()
    if not epmd:
        raise Fatal("Erlang's `epmd` is not installed; it comes with the package rabbitmq-server")
    return Program(
        name="epmd",
        command=(epmd, "-port", str(ports.epmd), "-address", HOST),
        environment=environment,
        directory=layout.rabbitmq,
        healthy=lambda: listens(ports.epmd),
        address=f"{HOST}:{ports.epmd}",
        priority=1,
    )


def program(layout: Layout, ports: Ports, secrets: Secrets, environment: Mapping[str, str]) -> Program:
    """The node in the foreground."""
    return Program(
        name="rabbitmq",
        command=(str(require_server_script()),),
        environment={**environment, **node_environment(layout, ports)},
        directory=layout.rabbitmq,
        healthy=lambda: is_healthy(ports, secrets),
        address=f"{HOST}:{ports.rabbitmq}",
        priority=2,
        stop_wait=60,
        start_wait=120,
    )


def is_healthy(ports: Ports, secrets: Secrets) -> str | None:
    """The broker listens and the management interface takes our login."""
    overview = f"{api_url(ports)}/api/overview"
    return listens(ports.rabbitmq) or http_answers(overview, user=USER, password=secrets.rabbitmq)


def node_environment(layout: Layout, ports: Ports) -> dict[str, str]:
    """All that a node needs to touch nothing of the machine's own: name, folders, ports, cookie."""
    folder = layout.rabbitmq
    return {
        "HOME": str(folder),  # Erlang keeps its cookie there
        "ERL_EPMD_PORT": str(ports.epmd),
        "ERL_EPMD_ADDRESS": HOST,
        "RABBITMQ_NODENAME": f"headgate-{layout.mark}@localhost",
        "RABBITMQ_DIST_PORT": str(ports.rabbitmq_dist),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(layout.logs),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(folder / "node.pid"),
        # The shell is replaced by the node, so that a signal reaches it without a process between.
        "RABBITMQ_ALLOW_INPUT": "true",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "-noinput +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
        ),
    }


def write_config(layout: Layout, ports: Ports, secrets: Secrets) -> None:
    """The node's configuration and its plugins."""
    folder = layout.rabbitmq
    (folder / "conf.d").mkdir(exist_ok=True)
    write_private(folder / "rabbitmq-env.conf", "")
    write_private(folder / "enabled_plugins", "[rabbitmq_management].\n")
    text = CONFIG.format(host=HOST, ports=ports, secrets=secrets, user=USER, vhost=VHOST)
    write_private(folder / "rabbitmq.conf", text + TUNING)


def amqp_url(ports: Ports, secrets: Secrets, vhost: str = VHOST) -> str:
    return f"amqp://{USER}:{secrets.rabbitmq}@{HOST}:{ports.rabbitmq}/{vhost}"


def api_url(ports: Ports) -> str:
    """The management interface, without credentials."""
    return f"http://{HOST}:{ports.rabbitmq_api}"


def api_url_with_login(ports: Ports, secrets: Secrets) -> str:
    return f"http://{USER}:{secrets.rabbitmq}@{HOST}:{ports.rabbitmq_api}"
