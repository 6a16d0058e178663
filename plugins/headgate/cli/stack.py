"""``headgate up``, ``down``, ``status``, ``doctor``, ``install``: the embedded stack."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from headgate.cli.options import Json
from headgate.cli.output import console, print_json, table
from headgate.settings import settings

if TYPE_CHECKING:
    from rich.console import ConsoleRenderable

    from headgate.stack import Stack

MIB = 1024 * 1024


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("up", help="Start the private stack, or what of it does not run.")(up)
    app.command("down", help="End every process of the private stack; its data stays.")(down)
    app.command("status", help="Show the programs of the stack, their addresses and memory.")(status)
    app.command("doctor", help="Say what is wrong and the command that mends it.")(doctor)
    app.command("prepare", help="Make the servers of the settings ready: schema, contracts, buckets.")(
        prepare
    )
    app.command("install", help="Install what no Python package brings (RabbitMQ).")(install)


def this_stack() -> Stack:
    from headgate.stack import Stack

    return Stack(settings().home)


def up(
    only: Annotated[
        str,
        typer.Option(
            help="`servers`: Postgres, RabbitMQ, S3; `infra`: them with schema, buckets, contracts; `all`."
        ),
    ] = "all",
    with_stubs: Annotated[
        bool | None,
        typer.Option(
            "--with-stubs/--without-stubs",
            help="Sources ask stub providers, which need no credentials, until `--without-stubs`.",
        ),
    ] = None,
    with_stream: Annotated[
        bool | None,
        typer.Option(
            "--with-stream/--without-stream",
            help="The live stream of ships is followed into `ais_positions`, until `--without-stream`.",
        ),
    ] = None,
) -> None:
    """Start, wait until everything serves, and say how long it took."""
    from headgate.stack import Part, stubs
    from headgate.stack.install import install_rabbitmq

    if only not in tuple(Part):
        raise typer.BadParameter(f"{only}: one of {', '.join(Part)}", param_hint="--only")
    begin, stack = time.monotonic(), this_stack()
    install_rabbitmq(console.print)
    with Progress() as progress:
        changed = stack.up(Part(only), progress.report, with_stubs=with_stubs, with_stream=with_stream)
    seconds = time.monotonic() - begin
    if changed:
        console.print(f"[green]up[/] after {seconds:.1f} s; data, logs and logins are in {settings().home}")
    else:
        console.print(f"[green]up already[/], nothing changed ({seconds:.1f} s)")
    if stubs.wanted(stack.layout):
        console.print("sources ask stub providers, not the APIs; `headgate up --without-stubs` ends that")
    elif with_stubs is False and changed:
        console.print("what stubs have answered stays, as rows and as landed windows; an empty home has none")


def down() -> None:
    """End everything and wait for it."""
    with Progress() as progress:
        ended = this_stack().down(progress.report)
    console.print("[green]down[/]" if ended else "nothing was running")


def status(
    json: Json = False,
    logins: Annotated[
        bool, typer.Option("--logins", help="Show addresses and passwords to look around.")
    ] = False,
) -> None:
    """One line a program; exit code 1 when one of them does not run."""
    stack = this_stack()
    lines = stack.status()
    if json:
        print_json(lines)
    elif not lines:
        console.print("no stack was started here yet; run `headgate up`")
    else:
        rows = [
            (x.program, x.state, x.pid, x.address, f"{x.memory_bytes / MIB:.0f}", x.detail) for x in lines
        ]
        table(("program", "state", "pid", "address", "MiB", "detail"), rows, numeric=("pid", "MiB"))
        if logins:
            show_logins(stack)
    if not all(line.state == "running" for line in lines) or not lines:
        raise typer.Exit(1)


def show_logins(stack: Stack) -> None:
    """Where a person can look around, with the passwords of this stack."""
    from headgate.stack.connections import AIRFLOW_ADMIN, airflow_url
    from headgate.stack.objectstore import endpoint
    from headgate.stack.ports import HOST
    from headgate.stack.postgres import DATABASE
    from headgate.stack.rabbitmq import USER, api_url

    ports, secrets = stack.ports, stack.secrets
    rows = (
        ("Airflow", airflow_url(ports), AIRFLOW_ADMIN, secrets.airflow_admin),
        ("RabbitMQ", api_url(ports), USER, secrets.rabbitmq),
        ("PostgreSQL", f"{HOST}:{ports.postgres}/{DATABASE}", "headgate_reader", secrets.headgate_reader),
        ("S3", endpoint(ports), secrets.s3_access_key, secrets.s3_secret_key),
    )
    for service, address, user, password in rows:  # not as a table: what is folded cannot be copied
        console.print(f"{service:<11} {address}", markup=False, highlight=False, soft_wrap=True)
        console.print(f"{'':<11} {user} / {password}", markup=False, highlight=False, soft_wrap=True)


def doctor(json: Json = False) -> None:
    """Check the machine and the stack; exit code 1 when something is wrong."""
    from headgate.stack.doctor import examine

    checks = examine(this_stack())
    if json:
        print_json(checks)
    else:
        told = [check for check in checks if check.problem]
        if told:
            lines = [(check.name, check.problem, check.mend) for check in told]
            table(("check", "what is wrong", "what mends it"), lines)
        remarks = sum(check.ok for check in told)
        of_them = f", {remarks} of them with a remark" if remarks else ""
        console.print(f"{sum(check.ok for check in checks)} of {len(checks)} checks are well{of_them}")
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def prepare(json: Json = False) -> None:
    """Migrate, apply all contracts, create missing buckets; `headgate up` does it for the private stack."""
    from headgate.installation import prepare as prepare_servers

    made = prepare_servers(settings())
    if json:
        print_json(made)
        return
    console.print(f"{len(made.migrations)} migrations applied, {len(made.buckets)} buckets created")
    console.print(f"contracts in force: {', '.join(made.datasets)}")


def install() -> None:
    """Install RabbitMQ where it is missing."""
    from headgate.stack.install import install_rabbitmq

    done = install_rabbitmq(console.print)
    console.print("RabbitMQ is installed now" if done else "RabbitMQ is there")


class Progress:
    """What happens to which program: a live table in a terminal, one line an event elsewhere."""

    def __init__(self) -> None:
        from rich.live import Live

        self._states: dict[str, tuple[str, str]] = {}
        self._live = Live(console=console, refresh_per_second=8) if console.is_terminal else None

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def report(self, program: str, state: str, detail: str) -> None:
        """A program or a step changed its state."""
        if self._states.get(program) == (state, detail):
            return
        self._states[program] = (state, detail)
        if self._live:
            self._live.update(self.picture())
        elif state != "starting":
            console.print(f"{program}: {state} {detail}".rstrip(), highlight=False, markup=False)

    def picture(self) -> ConsoleRenderable:
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        picture = Table.grid(padding=(0, 2))
        for program, (state, detail) in self._states.items():
            done = state in {"ready", "changed"}
            mark = Text("✓", "green") if done else Spinner("dots")
            picture.add_row(mark, program, Text(state, "green" if done else "yellow"), Text(detail, "dim"))
        return picture
