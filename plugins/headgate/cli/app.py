"""``headgate``: the command line, put together from the modules beside this one."""

from __future__ import annotations

import sys
from importlib import import_module, util
from importlib.metadata import version
from typing import Annotated

import typer

from headgate.cli.output import fail
from headgate.errors import HeadgateError

# Each has `register(app)`. They import what is heavy inside their commands.
MODULES = ("stack", "data", "books", "quarantine", "contract", "sample", "sql", "queues", "settings", "demo")

app = typer.Typer(
    name="headgate",
    help="Files and APIs in, trusted Postgres tables out, every row accounted for.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(wanted: bool) -> None:
    """``--version``: print it and end."""
    if wanted:
        print(version("headgate"))
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and end."),
    ] = False,
) -> None:
    """Set up what all commands share."""
    from headgate.logs import configure

    configure()


for name in MODULES:
    if util.find_spec(f"headgate.cli.{name}"):
        import_module(f"headgate.cli.{name}").register(app)


def main() -> None:
    """Run a command; an error that Headgate raised on purpose is one line, not a traceback."""
    try:
        app(standalone_mode=True)
    except HeadgateError as error:
        try:
            fail(error)
        except typer.Exit as end:
            sys.exit(end.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
