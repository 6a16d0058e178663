"""The edge to RabbitMQ: connections, and pika's many exceptions turned into ours, once."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pika
import pika.data
import pika.exceptions
from pika.adapters.blocking_connection import BlockingConnection
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.adapters.utils.io_services_utils import _AsyncTransportBase

from headgate.errors import AccessRefused, Fatal, Retriable

# pika tells of a refused connection in eight lines at level ERROR; we tell of it in one, and go on.
logging.getLogger("pika").setLevel(logging.CRITICAL)

# pika fails on a header value of type time that is no date, and with it the connection: one message with a
# time in milliseconds would stop every consumer of its queue, again and again.
_decode_value = pika.data.decode_value


def _decode_any_value(encoded: bytes, offset: int) -> tuple[Any, int]:
    """As pika does; a time beyond the year 9999 as its number, signed: pika can encode no larger one."""
    try:
        return _decode_value(encoded, offset)
    except (ValueError, OverflowError, OSError):
        (number,) = struct.unpack_from(">q", encoded, offset + 1)
        return number, offset + 9


pika.data.decode_value = _decode_any_value

# pika reads 4 KiB at a time and copies what it has of a frame each time: a frame (128 KiB) at a time takes a
# third less processor time for messages of a megabyte.
_AsyncTransportBase._MAX_RECV_BYTES = 128 * 1024  # type: ignore[attr-defined]

HEARTBEAT_SECONDS = 60
# A broker that vanished does not acknowledge packets: noticed in half the time that heartbeats take.
UNANSWERED_MILLISECONDS = 60_000
# Held back by an alarm of the broker: said after so long, and tried again on a new connection.
BLOCKED_SECONDS = 10.0
# That a broker may take to answer a new connection; it is away then, though its port is open.
HANDSHAKE_SECONDS = 15
ACCESS_REFUSED, PRECONDITION_FAILED = 403, 406


def where(url: str) -> str:
    """Host and port of an AMQP URL for messages; never its password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 5672}"


def connect(url: str, name: str, *, blocked_timeout: float = BLOCKED_SECONDS) -> BlockingConnection:
    """A connection that shows as ``name`` in the broker's management pages.

    ``blocked_timeout``: seconds a publisher may be held by the broker's memory or disk alarm before
    the connection is given up. ``Fatal`` when the URL is none, ``Retriable`` when the broker is away
    (``AccessRefused`` when it does not accept the login or the vhost).
    """
    try:
        if urlsplit(url).scheme not in ("amqp", "amqps"):
            raise ValueError("the scheme is neither amqp nor amqps")
        parameters = pika.URLParameters(url)
    except (ValueError, TypeError, KeyError) as error:
        raise Fatal(
            f"HEADGATE_AMQP_URL is not an AMQP URL (amqp://user:password@host:port/vhost): {error}"
        ) from None
    if parameters.heartbeat is None:  # else the URL says it: ?heartbeat=20
        parameters.heartbeat = HEARTBEAT_SECONDS
    parameters.tcp_options = parameters.tcp_options or {"TCP_USER_TIMEOUT": UNANSWERED_MILLISECONDS}
    parameters.blocked_connection_timeout = blocked_timeout
    parameters.socket_timeout = 10
    parameters.stack_timeout = HANDSHAKE_SECONDS
    parameters.client_properties = {"connection_name": name, "product": "headgate"}
    with translated(where(url)):
        return BlockingConnection(parameters)


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turns what pika and the socket raise into ``Retriable``; a 406 of the broker into ``Fatal``."""
    try:
        yield
    except pika.exceptions.ChannelClosedByBroker as error:
        if error.reply_code == PRECONDITION_FAILED and "inequivalent arg" in error.reply_text:
            raise Fatal(
                f"RabbitMQ at {place} has a queue or exchange of Headgate's name with other settings: "
                f"{error.reply_text}. Delete it when it is empty, or use another vhost."
            ) from error
        kind = AccessRefused if error.reply_code == ACCESS_REFUSED else Retriable
        raise kind(
            f"RabbitMQ at {place} closed the channel: {error.reply_code} {error.reply_text}"
        ) from error
    except (pika.exceptions.ProbableAuthenticationError, pika.exceptions.AuthenticationError) as error:
        raise AccessRefused(
            f"RabbitMQ at {place} refused user or password: check HEADGATE_AMQP_URL"
        ) from error
    except pika.exceptions.ProbableAccessDeniedError as error:
        raise AccessRefused(
            f"RabbitMQ at {place} refused the vhost: check HEADGATE_AMQP_URL and the permissions"
        ) from error
    except pika.exceptions.ConnectionBlockedTimeout as error:
        raise Retriable(
            f"RabbitMQ at {place} takes no messages: its memory or disk alarm is on, until it has room again"
        ) from error
    except (pika.exceptions.AMQPError, AMQPConnectorException, OSError) as error:
        raise Retriable(f"RabbitMQ at {place} is away: {type(error).__name__} {error}".rstrip()) from error
