"""What an object store announces about its buckets by AMQP, and the listener for it.

An announcement is a hint to look, no more: it is not acknowledged, not kept, and what it says is not trusted.
The store publishes to a fanout exchange, each listener has a queue of its own that ends with it. After each
connection whoever listens should look at everything once, as announcements may have been missed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import unquote_plus

import structlog

from headgate import amqp
from headgate.errors import HeadgateError
from headgate.settings import Url, url_of
from headgate.topology import declare_arrivals

log = structlog.get_logger("headgate.announcements")

CREATED = "s3:ObjectCreated:"
TICK = 1.0  # seconds in which a listener notices that it should end
LONGEST_PAUSE = 30.0  # seconds between attempts to connect


def created(body: bytes) -> Iterator[tuple[str, str]]:
    """Bucket and key of each object that a notification says was created; nothing for what is no such thing.

    The form is that of S3 event notifications, which MinIO sends too: keys are encoded as in a query.
    """
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        for record in json.loads(body)["Records"]:
            name = str(record["eventName"])
            if (name if name.startswith("s3:") else f"s3:{name}").startswith(CREATED):
                found = record["s3"]
                yield str(found["bucket"]["name"]), unquote_plus(str(found["object"]["key"]))


class Listener(threading.Thread):
    """Hears the store's announcements until ``stop``, across outages of the broker.

    ``on_created`` gets bucket and key, ``on_connected`` is called after each connection; both in this thread.
    """

    def __init__(
        self, url: Url, on_created: Callable[[str, str], None], on_connected: Callable[[], None]
    ) -> None:
        super().__init__(name="headgate-announcements", daemon=True)
        self._url = url
        self._on_created, self._on_connected = on_created, on_connected
        self._stopped = threading.Event()

    def run(self) -> None:
        """Listen; after an outage connect again, with growing pauses."""
        pause = TICK
        while not self._stopped.is_set():
            try:
                url = url_of(self._url)
                with amqp.translated(amqp.where(url)):
                    for body in self._bodies(url):
                        pause = TICK
                        for bucket, key in created(body):
                            self._on_created(bucket, key)
            except HeadgateError as error:
                log.warning("the store's announcements cannot be heard", reason=str(error))
                self._stopped.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def stop(self) -> None:
        """End within a second."""
        self._stopped.set()

    def _bodies(self, url: str) -> Iterator[bytes]:
        """Bodies as they come; an empty one at each tick."""
        connection = amqp.connect(url, "headgate announcements")
        try:
            channel = connection.channel()
            queue = declare_arrivals(channel)
            self._on_connected()
            for _, _, body in channel.consume(queue, auto_ack=True, inactivity_timeout=TICK):
                if self._stopped.is_set():
                    return
                yield body or b""
        finally:
            if connection.is_open:
                connection.close()
