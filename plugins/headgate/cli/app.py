"""``headgate``: the command line, put together from the modules beside this one."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer
from rich.text import Text

from headgate.cli import (
    alerts,
    books,
    contract,
    data,
    demo,
    errors,
    events,
    fetch,
    quarantine,
    queues,
    replay,
    retention,
    sample,
    settings,
    sources,
    sql,
    stack,
)
from headgate.errors import HeadgateError, Retriable

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


# They import what is heavy inside their commands.
for module in (
    stack,
    data,
    fetch,
    books,
    quarantine,
    errors,
    replay,
    queues,
    events,
    alerts,
    retention,
    contract,
    sample,
    sources,
    sql,
    settings,
    demo,
):
    module.register(app)


def main() -> None:
    """Run a command; an error is one line, not a traceback (which ``HEADGATE_LOG_LEVEL=DEBUG`` shows)."""
    try:
        app(standalone_mode=True)
    except Retriable as error:
        hint = (
            ""
            if "headgate" in str(error)
            else "\nhint: `headgate doctor` says what of the private stack is wrong"
        )
        end(f"{error}{hint}", 1)
    except HeadgateError as error:
        end(str(error), 1)
    except KeyboardInterrupt:
        end("interrupted", 130)
    except Exception as error:
        if os.environ.get("HEADGATE_LOG_LEVEL", "").upper() == "DEBUG":
            raise
        reason = f"{type(error).__name__}: {str(error).strip()}"
        end(f"{reason} (unexpected; HEADGATE_LOG_LEVEL=DEBUG shows where)", 1)


def end(reason: str, code: int) -> NoReturn:
    """One red line on standard error."""
    from headgate.cli.output import errors

    errors.print(Text.assemble(("error: ", "bold red"), reason), soft_wrap=True, highlight=False)
    sys.exit(code)


if __name__ == "__main__":
    main()
