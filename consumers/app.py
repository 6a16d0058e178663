"""``headgate-consumer``: run one kind of consumer until told to stop."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from headgate.errors import HeadgateError

if TYPE_CHECKING:
    from consumers.delivery import Handler
    from headgate.settings import Settings

_DESCRIPTION = "Runs one consumer. Start as many as the queue needs; they share the work."
_ENDING = """\
stops on SIGTERM or SIGINT: the transaction under way ends, the other messages go back to the queue
exit codes: 0 stopped as told, 1 wrong settings, 2 wrong usage, 3 stopped by an error that needs a person
settings come from HEADGATE_* variables, see `headgate settings`; URLs are read anew at each connection
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = _parser().parse_args(arguments)
    try:
        code = options.run(options)
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
    database = _kind(
        kinds,
        "database",
        _database,
        "batches of rows into Postgres",
        "Merges batches of rows from the queues into Postgres, each exactly once in effect.",
    )
    only = "read only this one (may be repeated); else all"
    database.add_argument("--dataset", action="append", default=[], metavar="D", help=only)
    _kind(
        kinds,
        "error",
        _error,
        "failures into delayed retries, parking and headgate.error",
        "Judges failed messages: back to their queue after a delay, or to parking. Records each failure, "
        "those of tasks too.",
    )
    _kind(
        kinds,
        "notification",
        _notification,
        "events into alerts, and alerts to people",
        "Folds events into alerts, tells people of them as the routing file says (HEADGATE_ALERTS_FILE), and "
        "watches freshness, queues and parking.",
    )
    stream = _kind(
        kinds,
        "ais-stream",
        _ais_stream,
        "live positions of ships onto their dataset's queue",
        "Follows BarentsWatch's live AIS, books it by minute and sends its rows to the dataset's queue. One "
        "process follows at a time, others stand by. Wants the extra `stream`: pip install headgate[stream].",
    )
    stream.add_argument("--dataset", default="ais_positions", metavar="D", help="default: ais_positions")
    stream.add_argument("--format", choices=["ndjson", "sse"], default="ndjson", help="default: ndjson")
    stream.add_argument(
        "--since",
        type=_moment,
        metavar="TIME",
        help="where to begin when nothing was ever read, at most 24 hours ago; else now",
    )
    return parser


def _moment(text: str) -> datetime:
    """ISO; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment; write 2024-01-31T12:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _kind(
    kinds: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
    description: str,
) -> argparse.ArgumentParser:
    """A subcommand with what all kinds of consumer take."""
    parser = kinds.add_parser(
        name,
        help=text,
        description=description,
        epilog=_ENDING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--name", default="", help="stands in receipts, logs and the broker; else host:pid")
    parser.add_argument(
        "--until-idle", type=float, metavar="S", help="stop after S seconds without a message; else run on"
    )
    parser.set_defaults(run=run)
    return parser


def _database(options: argparse.Namespace) -> int:
    from consumers.database.handler import DatabaseHandler
    from headgate.settings import current

    chosen, name = _begin(options)
    handler = DatabaseHandler(
        current("loader_url"), name, datasets=options.dataset, max_bytes=body_limit(chosen.batch_bytes)
    )
    return _serve(handler, chosen, name, options)


def _error(options: argparse.Namespace) -> int:
    from consumers.errors.handler import ErrorHandler
    from headgate.failures import delays_of
    from headgate.publisher import Publisher
    from headgate.settings import current

    chosen, name = _begin(options)
    relay = Publisher(current("amqp_url"), name=f"headgate error consumer {name} (events)", deadline=10.0)
    handler = ErrorHandler(current("loader_url"), name, relay, delays=delays_of(chosen.retry_delays))
    return _serve(handler, chosen, name, options)


def _notification(options: argparse.Namespace) -> int:
    from consumers.notification.handler import NotificationHandler
    from consumers.notification.text import Installation
    from headgate import db
    from headgate.alerts.routing import routing_file
    from headgate.publisher import Publisher
    from headgate.settings import current, url_of
    from headgate.watch import Watch

    chosen, name = _begin(options)
    loader_url, amqp_url = current("loader_url"), current("amqp_url")
    relay = Publisher(amqp_url, name=f"headgate notification consumer {name} (events)", deadline=5.0)
    watch = Watch(lambda: db.connect(url_of(loader_url), application_name="headgate watch"), amqp_url, chosen)
    handler = NotificationHandler(
        loader_url,
        name,
        partial(routing_file, chosen),
        installation=Installation(chosen.environment, chosen.airflow_url),
        relay=relay,
        watch=watch,
    )
    return _serve(handler, chosen, name, options)


def _ais_stream(options: argparse.Namespace) -> int:
    from consumers.stream.feed import Source
    from consumers.stream.framing import FRAMINGS
    from consumers.stream.gathering import Limits
    from consumers.stream.service import Options, Stream
    from headgate import db
    from headgate.publisher import Publisher
    from headgate.settings import current, read_settings, url_of
    from headgate.sources.catalogue import provider
    from headgate.sources.credentials import required

    chosen, name = _begin(options, "database_url")
    found = provider("barentswatch_ais")
    required(found, chosen)  # what is missing is said at the start
    source = Source(found, lambda: required(found, read_settings()), options.format, patience=60.0)
    database_url = current("database_url")
    following = Options(
        dataset=options.dataset,
        framing=FRAMINGS[options.format],
        limits=Limits(chosen.live_bytes, chosen.live_seconds),
        overlap=chosen.live_overlap,
        silence=chosen.live_silence,
        since=options.since,
        until_idle=options.until_idle,
        max_record_bytes=chosen.max_record_bytes,
    )
    stream = Stream(
        following,
        lambda: db.connect(url_of(database_url), application_name=f"headgate-stream {name}"[:63]),
        Publisher(current("amqp_url"), name=f"headgate ais-stream {name}", deadline=30.0),
        source.open,
        name,
    )
    return stream.run()


def _begin(options: argparse.Namespace, database: str = "loader_url") -> tuple[Settings, str]:
    """Settings, checked for what every consumer needs, and the consumer's name."""
    from headgate.logs import configure
    from headgate.settings import settings

    configure()
    chosen = settings()
    chosen.require(database)
    chosen.require("amqp_url")
    return chosen, options.name or f"{socket.gethostname()}:{os.getpid()}"


def _serve(handler: Handler, chosen: Settings, name: str, options: argparse.Namespace) -> int:
    """Run a handler until told to stop; the exit code."""
    from consumers.broker import Broker
    from consumers.handover import Handover
    from consumers.inbox import Limits
    from consumers.runner import Options, Runner
    from headgate.publisher import Publisher
    from headgate.settings import current

    title = f"headgate {options.kind} consumer {name}"
    amqp_url = current("amqp_url")
    handover = Handover(Publisher(amqp_url, name=f"{title} (handover)", deadline=10.0), name)
    limits = Limits(chosen.transaction_bytes, max(1, chosen.prefetch // 2), chosen.idle_seconds)
    runner = Runner(
        handler,
        Broker(amqp_url, title, chosen.prefetch),
        handover,
        Options(limits=limits, until_idle=options.until_idle),
    )
    return runner.run()


def body_limit(batch_bytes: int) -> int:
    """Largest decompressed body that is taken: no honest batch is near it, and it fits into memory."""
    return max(64 << 20, 4 * batch_bytes)


if __name__ == "__main__":
    main()
