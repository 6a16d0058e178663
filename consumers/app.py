"""``headgate-consumer``: run one kind of consumer until told to stop."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence

from headgate.errors import HeadgateError

_DESCRIPTION = "Runs one consumer. Start as many as the queue needs; they share the work."
_ENDING = """\
stops on SIGTERM or SIGINT: the transaction under way ends, the other messages go back to the queue
exit codes: 0 stopped as told, 1 wrong settings, 2 wrong usage, 3 stopped by an error that needs a person
settings come from HEADGATE_* variables, see `headgate settings`
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = _parser().parse_args(arguments)
    try:
        code = _database(options)
    except HeadgateError as error:
        print(f"headgate-consumer: {error}", file=sys.stderr)
        code = 1
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="headgate-consumer",
        description=_DESCRIPTION,
        epilog=_ENDING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    database = kinds.add_parser(
        "database",
        help="batches of rows into Postgres",
        description="Merges batches of rows from the queues into Postgres, each exactly once in effect.",
        epilog=_ENDING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    database.add_argument(
        "--dataset",
        action="append",
        default=[],
        metavar="D",
        help="read only this one (may be repeated); else all",
    )
    database.add_argument("--name", default="", help="stands in receipts, logs and the broker; else host:pid")
    database.add_argument(
        "--until-idle", type=float, metavar="S", help="stop after S seconds without a message; else run on"
    )
    return parser


def _database(options: argparse.Namespace) -> int:
    from consumers.broker import Broker
    from consumers.database.handler import DatabaseHandler
    from consumers.inbox import Limits
    from consumers.parking import Parking
    from consumers.runner import Options, Runner
    from headgate.logs import configure
    from headgate.publisher import Publisher
    from headgate.settings import settings

    configure()
    chosen = settings()
    name = options.name or f"{socket.gethostname()}:{os.getpid()}"
    amqp_url = chosen.require("amqp_url")
    handler = DatabaseHandler(
        chosen.require("loader_url"), name, datasets=options.dataset, max_bytes=body_limit(chosen.batch_bytes)
    )
    title = f"headgate database consumer {name}"
    parking = Parking(
        Publisher(amqp_url, name=f"{title} (parking)", environment=chosen.environment, deadline=10.0)
    )
    limits = Limits(chosen.transaction_bytes, max(1, chosen.prefetch // 2), chosen.idle_seconds)
    runner = Runner(
        handler,
        Broker(amqp_url, title, chosen.prefetch),
        parking,
        Options(limits=limits, until_idle=options.until_idle),
    )
    return runner.run()


def body_limit(batch_bytes: int) -> int:
    """Largest decompressed body that is taken: no honest batch is near it, and it fits into memory."""
    return max(64 << 20, 4 * batch_bytes)


if __name__ == "__main__":
    main()
